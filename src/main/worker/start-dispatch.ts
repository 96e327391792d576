import type { Client } from '@temporalio/client';
import { createWakeUps } from '../../db/wake-ups.ts';
import { grantPass } from '../../dispatch/grant-pass.ts';
import { createRelay } from '../../dispatch/mailbox-relay.ts';
import { reconcile } from '../../dispatch/reconciler.ts';
import { followRefusals } from '../../dispatch/follow-refusals.ts';
import { sweep } from '../../dispatch/sweeper.ts';
import { createSpillPass } from '../../dispatch/spill-pass.ts';
import { startLoop } from '../../dispatch/wake.ts';
import type { BuildGate } from '../../dispatch/build-gate.ts';
import { limits } from '../../domain/limits/limits.ts';
import { whileCurrent } from './build-gate.ts';
import type { WorkerParts } from './create-workers.ts';
import { grantsMade, repairs, spills, swept } from '../metrics/metrics.ts';
import { ensureOverview } from './overview-workflow.ts';
import { ensureRetentionSchedule } from './retention-schedule.ts';
import type { Stoppable } from '../stop.ts';
import { type StartLoop, startWatches } from './start-watches.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import type { WorkerSettings } from './settings.ts';

/** Waiting jobs that are seen in Temporal UI at once: the oldest of the line. */
const shownMax = 100;
/** Every callback frees a slot and wakes the grant pass: in a flood most passes would find one to grant, or none. */
const grantGapMs = 100;
/** Somebody may have deleted it, and an older release may have written its own. */
const scheduleEveryMs = 3_600_000;

export type Wake = (kinds: readonly string[]) => void;

export interface Dispatch extends Stoppable {
  readonly wake: Wake;
}

/** The loops of dispatch. Each works when it is woken and looks by itself now and then. */
export function startDispatch(
  settings: WorkerSettings,
  { pool, connection, gate }: WorkerParts & { readonly gate: BuildGate },
): Dispatch {
  const { config, temporal, log } = settings;
  const client = createTemporalClient(temporal, connection);
  const loop: StartLoop = (name, settings) =>
    startLoop({ ...settings, onError: (error) => log.warn({ err: error, loop: name }, 'round failed') });

  const relay = createRelay({
    pool,
    client,
    // It would run on this worker, whatever its build.
    eagerStart: config.workerBuild === undefined,
    handsMax: config.worker.relayHands,
    stuckAfterMs: config.stuckAfterMs,
    log,
    onFree: () => deliveries.wake(),
  });
  const deliveries = loop('relay', {
    everyMs: 250,
    round: whileCurrent(gate, async () => ((await relay.takeUp()) > 0 ? 'again' : 'idle')),
  });
  const spilling = createSpillPass({ pool, onMoved: (moved) => spills.inc({ ...moved }) });
  const grants = loop('grants', {
    everyMs: 250,
    gapMs: grantGapMs,
    round: whileCurrent(gate, async () => {
      const startSlots = (): number => relay.freeHands();
      const granted = await grantPass({ pool, submittingMax: config.submittingMax, startSlots });
      grantsMade.inc(granted);
      if (granted > 0) deliveries.wake();
      const moved = await spilling.round();
      return granted + moved > 0 ? 'again' : 'idle';
    }),
  });
  const watches = startWatches(settings, { pool, client, loop, onAdmission: () => grants.wake() });
  const upkeep = startUpkeep(settings, { pool, client, gate, loop });
  return {
    wake(kinds) {
      if (kinds.includes('mail')) deliveries.wake();
      if (kinds.includes('grant')) grants.wake();
      if (kinds.includes('build')) upkeep.schedule.wake();
    },
    async stop() {
      await Promise.all([grants, ...watches, ...Object.values(upkeep), deliveries].map((one) => one.stop()));
      await relay.idle();
    },
  };
}

interface UpkeepParts {
  readonly pool: WorkerParts['pool'];
  readonly client: Client;
  readonly gate: BuildGate;
  readonly loop: StartLoop;
}

/** What ends and mends jobs beside their workflows. Deadlines hold whichever build is current, or none. */
function startUpkeep({ config, vendors, log }: WorkerSettings, { pool, client, gate, loop }: UpkeepParts) {
  const wakeUps = createWakeUps(pool);
  const onSwept = (kind: string, count: number): void => {
    swept.inc({ kind }, count);
    if (count > 0) wakeUps.send('events');
  };
  const sweeper = loop('sweeper', {
    everyMs: 1_000,
    round: async () =>
      await sweep({ pool, stuckAfterMs: config.stuckAfterMs, visibleMax: gate.isOpen() ? shownMax : 0, onSwept }),
  });
  const everyMs = config.reconcileEveryMs;
  const { providers } = vendors;
  const onRepair = (repair: string, count: number): void => {
    repairs.inc({ repair }, count);
    if (count > 0) wakeUps.send('events');
  };
  const reconciler = loop('reconciler', {
    everyMs,
    round: async () => {
      await reconcile({ pool, client, providers, silentMs: 2 * everyMs, zombieEveryMs: everyMs, log, onRepair });
      return 'idle';
    },
  });
  const schedule = loop('retention schedule', {
    everyMs: scheduleEveryMs,
    round: whileCurrent(gate, async () => {
      await ensureRetentionSchedule(client);
      return 'idle';
    }),
  });
  const refusals = loop('refusals', {
    everyMs: limits.showRefusedEveryMs,
    round: whileCurrent(gate, async () => {
      const onShown = (count: number): void => onSwept('stuck', count);
      await followRefusals({ pool, stuckAfterMs: config.stuckAfterMs, visibleMax: shownMax, onShown });
      return 'idle';
    }),
  });
  const overview = loop('overview', {
    everyMs,
    round: whileCurrent(gate, async () => {
      await ensureOverview(client);
      return 'idle';
    }),
  });
  return { sweeper, reconciler, schedule, refusals, overview };
}
