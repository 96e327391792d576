import type { Client } from '@temporalio/client';
import type pg from 'pg';
import { forgetHealth } from '../../db/scheduler/health.ts';
import { sampleDrains } from '../../db/scheduler/line.ts';
import { asOnlyOne } from '../../db/only-one.ts';
import { foldSpendingRefunds } from '../../db/scheduler/spending.ts';
import { createHealthWatch } from '../../dispatch/health-watch.ts';
import type { Loop, LoopSettings } from '../../dispatch/wake.ts';
import { limits } from '../../domain/limits/limits.ts';
import { countEnds } from '../metrics/count-ends.ts';
import { countUnknownSubmits } from '../metrics/count-unknown-submits.ts';
import { breakerChanges, breakerStates } from '../metrics/metrics.ts';
import type { WorkerSettings } from './settings.ts';

export type StartLoop = (name: string, settings: Omit<LoopSettings, 'onError'>) => Loop;

export interface WatchParts {
  readonly pool: pg.Pool;
  readonly client: Client;
  readonly loop: StartLoop;
  /** A target admits more than before. */
  readonly onAdmission: () => void;
}

/** The small loops: how targets fare, how fast lines drain, what became of ambiguous submits, what comes back to budgets. */
export function startWatches(settings: WorkerSettings, parts: WatchParts): readonly Loop[] {
  const { pool, loop } = parts;
  return [
    loop('health', { everyMs: 1_000, round: healthRound(settings, parts) }),
    loop('unknown submits', { everyMs: 1_000, round: () => countUnknownSubmits(pool) }),
    loop('ends', { everyMs: 1_000, round: () => countEnds(pool) }),
    loop('refunds', {
      everyMs: limits.foldRefundsEveryMs,
      round: async () => {
        let isMore = false;
        await asOnlyOne(pool, 'refunds', async () => void (isMore = await foldSpendingRefunds(pool)));
        return isMore ? 'again' : 'idle';
      },
    }),
    loop('drains', {
      everyMs: limits.drainSampleEveryMs,
      round: async () => {
        await asOnlyOne(pool, 'drains', () => sampleDrains(pool));
        return 'idle';
      },
    }),
  ];
}

const breakerLevels = { closed: 0, half_open: 1, open: 2 } as const;

function healthRound(
  { config, catalogue, log }: WorkerSettings,
  { pool, client, onAdmission }: WatchParts,
): LoopSettings['round'] {
  if (!config.breakers)
    return async () => {
      await forgetHealth(pool);
      return 'idle';
    };
  const typical = Object.entries(catalogue.targets).map(([name, target]) => {
    const typicalMs = target.typical_seconds.value * 1_000;
    return [name, { typicalMs, longestMs: target.longest_seconds.value * 1_000 }] as const;
  });
  const watch = createHealthWatch({
    pool,
    typical: new Map(typical),
    isHearing: () => isReachable(client),
    log,
    onState(states) {
      for (const { state, ...labels } of states) breakerStates.set({ ...labels }, breakerLevels[state]);
    },
    onChange: (change) => breakerChanges.inc({ ...change }),
    onAdmission,
  });
  return () => watch.round();
}

/** Any answer will do. */
async function isReachable(client: Client): Promise<boolean> {
  try {
    await client.withDeadline(Date.now() + 1_000, () => client.workflowService.getSystemInfo({}));
    return true;
  } catch {
    return false;
  }
}
