import { randomBytes } from 'node:crypto';
import type { ConnectionLike } from '@temporalio/client';
import { inject } from 'vitest';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { runCommand } from '../../src/embedded/processes.ts';
import { addSearchAttributes } from '../../src/embedded/search-attributes.ts';
import { until } from './until.ts';

/** A fresh namespace, once all services of the server know it. */
export async function createNamespace(connection: ConnectionLike, address: string): Promise<string> {
  const namespace = await createBareNamespace(connection, address);
  await addSearchAttributes(connection, searchAttributeTypes, namespace);
  return namespace;
}

/** One that nobody has prepared for us. */
export async function createBareNamespace(connection: ConnectionLike, address: string): Promise<string> {
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  const { workflowService } = connection;
  const args = ['operator', 'namespace', 'create', '--namespace', namespace, '--address', address];
  await runCommand({ command: inject('temporalCliPath'), args, timeoutMs: 30_000 });
  await until('the namespace is known', async () => {
    await workflowService.listWorkflowExecutions({ namespace });
    await workflowService.describeTaskQueue({ namespace, taskQueue: { name: 'readiness' } });
    return await isAskable(connection, namespace);
  });
  return namespace;
}

/** A server that knows the namespace answers that it has no such workflow. */
async function isAskable({ workflowService }: ConnectionLike, namespace: string): Promise<boolean> {
  try {
    await workflowService.describeWorkflowExecution({ namespace, execution: { workflowId: 'readiness' } });
    return true;
  } catch (error) {
    return error instanceof Error && /workflow/i.test(error.message) && !/namespace/i.test(error.message);
  }
}
