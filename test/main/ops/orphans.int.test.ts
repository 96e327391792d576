import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { noteOrphan, type Orphan } from '../../../src/db/retention/orphans.ts';
import type { OpsFlags } from '../../../src/main/ops/options.ts';
import { orphans } from '../../../src/main/ops/orphans.ts';
import { beginOrder, createLedgerBench, type LedgerBench } from '../../db/ledger/ledger-bench.ts';

let bench: LedgerBench;
beforeAll(async () => {
  bench = await createLedgerBench();
});
afterAll(() => bench.drop());

const unknownJob = 'video_01890a5d-ac96-774b-bcce-b302099a8057';
const orphanOf = (job: string, operation: string): Orphan => ({
  job,
  attempt: 1,
  provider: 'vendor',
  targetName: null,
  operation,
  foundBy: 'callback',
  said: null,
});

describe('ops orphans adopt', () => {
  const run = async (flags: OpsFlags): Promise<readonly string[]> => {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const temporal = () => Promise.reject(new Error('nobody is asked'));
    const { config } = readConfig({});
    await orphans({ pool: bench.pool, temporal, config, operands: ['adopt'], flags, say, note: say });
    return said;
  };

  test('names an attempt of ours by what its vendor told, once, and writes it down', async () => {
    const job = await bench.acceptJob();
    const [grant = ''] = await bench.grant(job);
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await noteOrphan(bench.pool, orphanOf(job, 'op-told'));
    await noteOrphan(bench.pool, orphanOf(unknownJob, 'op-of-nobody'));
    expect((await run({ 'dry-run': true })).join()).toContain('would adopt');
    expect((await run({ by: 'somebody', reason: 'a test' })).at(-1)).toBe('1 of 1 adopted.');
    const { state, operation } = await bench.row<{ state: string; operation: string }>(
      'SELECT state, operation FROM attempts WHERE job = $1',
      job,
    );
    expect({ state, operation }).toEqual({ state: 'accepted', operation: 'op-told' });
    const action = await bench.row('SELECT action, subject FROM operator_actions');
    expect(action).toEqual({ action: 'adopt_orphan', subject: job });
    expect((await run({ by: 'somebody', reason: 'a test' })).at(-1)).toBe('0 of 0 adopted.');
  });
});
