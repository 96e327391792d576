import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { isListening } from './ports.ts';
import type { ServerProcess } from './processes.ts';
import { addSearchAttributes, type SearchAttributes } from './search-attributes.ts';

/** A server that has just been started. */
interface Starting {
  readonly server: ServerProcess;
  readonly address: string;
  readonly logFile: string;
  readonly complete?: (connection: Connection) => Promise<void>;
  readonly readyMsMax: number;
  readonly searchAttributes: SearchAttributes;
}

export class TemporalStartError extends Error {
  override name = 'TemporalStartError';
}

export const namespace = 'default';

const pollMs = 50;
const callMsMax = 2_000;
const attributesMsMax = 30_000;
const logCharsMax = 2_000;
const notFoundCode = 5;

/** Returns once the server takes work and knows our search attributes. */
export async function becomeReady(starting: Starting): Promise<void> {
  const { address, server, logFile, readyMsMax, searchAttributes } = starting;
  const connection = Connection.lazy({ address });
  try {
    const deadline = Date.now() + readyMsMax;
    for (;;) {
      const ready = await answers(connection, starting);
      if (server.exitReason() !== undefined)
        throw new TemporalStartError(`Temporal ended at start (${server.exitReason()}): ${await endOf(logFile)}`);
      if (ready) break;
      if (Date.now() > deadline)
        throw new TemporalStartError(`Temporal did not answer within ${readyMsMax / 1_000} s, see ${logFile}`);
      await sleep(pollMs);
    }
    await connection.withDeadline(Date.now() + attributesMsMax, async () => {
      await addSearchAttributes(connection, searchAttributes);
    });
  } finally {
    await connection.close();
  }
}

async function answers(connection: Connection, { address, complete }: Starting): Promise<boolean> {
  const { hostname, port } = new URL(`grpc://${address}`);
  // A gRPC client that is refused once waits a second before it tries again.
  if (!(await isListening(hostname, Number(port)))) return false;
  try {
    return await connection.withDeadline(Date.now() + callMsMax, async () => {
      await complete?.(connection);
      return await takesWork(connection);
    });
  } catch {
    return false;
  }
}

/** The frontend answers before history and matching do; a start that comes between would fail, so all are asked. */
async function takesWork({ workflowService }: Connection): Promise<boolean> {
  await workflowService.describeTaskQueue({ namespace, taskQueue: { name: 'readiness' } });
  try {
    await workflowService.describeWorkflowExecution({ namespace, execution: { workflowId: 'readiness' } });
    return true;
  } catch (error) {
    // A namespace that is new is missing in the same words until all services have heard of it.
    const missing = error instanceof Error && 'code' in error && error.code === notFoundCode;
    return missing && !/namespace/i.test(error.message);
  }
}

/** What the server said last, without the stack that it adds to every error. */
async function endOf(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text
    .replaceAll(/,"stacktrace":"[^"]*"/g, '')
    .slice(-logCharsMax)
    .trim();
}
