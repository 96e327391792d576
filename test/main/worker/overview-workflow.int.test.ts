import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { overviewId, overviewType } from '../../../src/contracts/overview.ts';
import { ensureOverview } from '../../../src/main/worker/overview-workflow.ts';
import { createNamespace } from '../../support/temporal-namespace.ts';

let connection: Connection;
let client: Client;
beforeAll(async () => {
  const address = inject('temporalAddress');
  connection = await Connection.connect({ address });
  client = new Client({ connection, namespace: await createNamespace(connection, address) });
});
afterAll(async () => {
  await connection.close();
});

const describeIt = async () => await client.workflow.getHandle(overviewId).describe();

test('many workers that start at once make one, which those after them leave alone', async () => {
  await Promise.all(Array.from({ length: 8 }, () => ensureOverview(client)));
  const { runId, type, status } = await describeIt();
  expect({ type, status: status.name }).toEqual({ type: overviewType, status: 'RUNNING' });
  await ensureOverview(client);
  expect((await describeIt()).runId).toBe(runId);
});

test('it is there again after an operator has terminated it', async () => {
  await ensureOverview(client);
  const { runId } = await describeIt();
  await client.workflow.getHandle(overviewId).terminate();
  await ensureOverview(client);
  const again = await describeIt();
  expect(again.status.name).toBe('RUNNING');
  expect(again.runId).not.toBe(runId);
});
