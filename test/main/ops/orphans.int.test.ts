import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { beginAttempt } from '../../../src/db/ledger/attempts.ts';
import { noteOrphan, type Orphan } from '../../../src/db/retention/orphans.ts';
import type { OpsFlags } from '../../../src/main/ops/options.ts';
import { orphans } from '../../../src/main/ops/orphans.ts';
import { failureOf } from '../../../src/domain/failure.ts';
import type { VideoProvider } from '../../../src/providers/provider.ts';
import { createProvider } from '../../../src/providers/registry.ts';
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
  const base = createProvider('wavespeed', { baseUrl: 'http://127.0.0.1:1', apiKey: 'any' });
  const gone = failureOf('provider_failed', { vendorCode: 'operation_missing' });
  /** It has what is called so, and nothing else. */
  const vendor: VideoProvider = {
    ...base,
    check: async ({ operation }) =>
      operation.startsWith('op-told') ? { kind: 'running' } : { kind: 'failed', failure: gone },
  };
  const run = async (flags: OpsFlags): Promise<readonly string[]> => {
    const said: string[] = [];
    const say = (line: string): void => void said.push(line);
    const temporal = () => Promise.reject(new Error('nobody is asked'));
    const { config } = readConfig({});
    const task = { pool: bench.pool, temporal, config, operands: ['adopt'], flags, say, note: say };
    await orphans(task, async () => new Map([['vendor', vendor]]));
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

  test('leaves an attempt without a name that its vendor does not know: the video is somebody else’s', async () => {
    const job = await bench.acceptJob();
    const [grant = ''] = await bench.grant(job);
    await beginAttempt(bench.pool, beginOrder(job, grant));
    await noteOrphan(bench.pool, orphanOf(job, 'op-foreign'));
    for (const flags of [{ 'dry-run': true }, { by: 'somebody', reason: 'a test' }]) {
      const said = (await run(flags)).join('\n');
      expect(said).toContain(`left as it is vendor op-foreign ${job}.1`);
      expect(said).not.toContain('would adopt');
    }
    const { operation } = await bench.row<{ operation: string | null }>(
      'SELECT operation FROM attempts WHERE job = $1',
      job,
    );
    expect(operation).toBeNull();
  });
});
