import { expect, test } from 'vitest';
import { createJobReader } from '../../../src/api/reading/job-reader.ts';
import type { Database } from '../../../src/db/pool.ts';
import { limits } from '../../../src/domain/limits/limits.ts';

interface Statement {
  readonly ids: readonly string[];
  answer(): void;
  fail(): void;
}

/** A database whose answers the test gives; it has every job but those whose name begins with `no`. */
function open() {
  const statements: Statement[] = [];
  const query = (config: { values: [readonly string[], readonly string[]] }): Promise<{ rows: object[] }> =>
    new Promise((resolve, reject) => {
      const [ids, tenants] = config.values;
      const rows = ids
        .map((id, index) => ({ id, tenant: tenants[index], route: '[]' }))
        .filter(({ id }) => !id.startsWith('no'));
      statements.push({ ids, answer: () => resolve({ rows }), fail: () => reject(new Error('away')) });
    });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one form of calls that our statements use
  return { statements, reader: createJobReader({ query } as unknown as Database) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const job = (id: string, tenant = 'a') => ({ id, tenant });

test('those that come together are read together, each once, and each is told of its own', async () => {
  const { statements, reader } = open();
  const reads = [job('1'), job('2'), job('1'), job('none')].map((owned) => reader.read(owned));
  await turn();
  expect(statements.map(({ ids }) => ids)).toEqual([['1', '2', 'none']]);
  statements[0]?.answer();
  expect(await Promise.all(reads)).toMatchObject([{ id: '1' }, { id: '2' }, { id: '1' }, undefined]);
});

test('the same id of another tenant is another job', async () => {
  const { statements, reader } = open();
  const reads = [reader.read(job('1', 'a')), reader.read(job('1', 'b'))];
  await turn();
  statements[0]?.answer();
  expect(await Promise.all(reads)).toMatchObject([{ tenant: 'a' }, { tenant: 'b' }]);
});

test('who comes while a statement is under way is not told what that one has seen', async () => {
  const { statements, reader } = open();
  void reader.read(job('1'));
  await turn();
  void reader.read(job('1'));
  await turn();
  expect(statements).toHaveLength(2);
});

test('no more statements than may are under way, and what waits meanwhile goes with the next', async () => {
  const { statements, reader } = open();
  for (let flight = 0; flight < limits.batchReadFlightsMax; flight += 1) {
    void reader.read(job(`first-${flight}`));
    await turn();
  }
  const waiting = Array.from({ length: limits.batchReadMax + 1 }, (_, index) => reader.read(job(`${index}`)));
  await turn();
  expect(statements).toHaveLength(limits.batchReadFlightsMax);
  statements[0]?.answer();
  statements[1]?.answer();
  await turn();
  await turn();
  expect(statements.slice(limits.batchReadFlightsMax).map(({ ids }) => ids.length)).toEqual([limits.batchReadMax, 1]);
  for (const statement of statements) statement.answer();
  expect(await Promise.all(waiting)).toHaveLength(limits.batchReadMax + 1);
});

test('a statement that fails is the fault of no other', async () => {
  const { statements, reader } = open();
  const lost = reader.read(job('1'));
  await turn();
  const found = reader.read(job('2'));
  await turn();
  statements[0]?.fail();
  statements[1]?.answer();
  await expect(lost).rejects.toThrow('away');
  expect(await found).toMatchObject({ id: '2' });
});
