import { Client } from '@temporalio/client';
import { createWakeUps } from '../db/wake-ups.ts';
import { grantPass } from '../dispatch/grant-pass.ts';
import { createRelay } from '../dispatch/mailbox-relay.ts';
import { reconcile } from '../dispatch/reconciler.ts';
import { sweep } from '../dispatch/sweeper.ts';
import { createSpillPass } from '../dispatch/spill-pass.ts';
import { startLoop } from '../dispatch/wake.ts';
import type { WorkerParts } from './create-workers.ts';
import { repairs, spills, swept } from './metrics.ts';
import { ensureRetentionSchedule } from './retention-schedule.ts';
import type { Stoppable } from './stop.ts';
import { type StartLoop, startWatches } from './start-watches.ts';
import type { WorkerSettings } from './worker-settings.ts';

const relayHandsMax = 50;
/** Every callback frees a slot and wakes the grant pass: in a flood most passes would find one to grant, or none. */
const grantGapMs = 100;
/** Somebody may have deleted it, and an older release may have written its own. */
const scheduleEveryMs = 3_600_000;

export type Wake = (kinds: readonly string[]) => void;

export interface Dispatch extends Stoppable {
  readonly wake: Wake;
}

/** The loops of dispatch. Each works when it is woken and looks by itself now and then. */
export function startDispatch(settings: WorkerSettings, { pool, connection }: WorkerParts): Dispatch {
  const { config, temporal, vendors, log } = settings;
  const client = new Client({ connection, namespace: temporal.namespace });
  const loop: StartLoop = (name, settings) =>
    startLoop({ ...settings, onError: (error) => log.warn({ err: error, loop: name }, 'round failed') });

  const relay = createRelay({
    pool,
    client,
    eagerStart: true,
    handsMax: relayHandsMax,
    log,
    onFree: () => deliveries.wake(),
  });
  const deliveries = loop('relay', {
    everyMs: 250,
    round: async () => ((await relay.takeUp()) > 0 ? 'again' : 'idle'),
  });
  const spilling = createSpillPass({ pool, onMoved: (moved) => spills.inc({ ...moved }) });
  const grants = loop('grants', {
    everyMs: 250,
    gapMs: grantGapMs,
    round: async () => {
      const startSlots = (): number => relay.freeHands();
      const granted = await grantPass({ pool, submittingMax: config.submittingMax, startSlots });
      if (granted > 0) deliveries.wake();
      const moved = await spilling.round();
      return granted + moved > 0 ? 'again' : 'idle';
    },
  });
  const wakeUps = createWakeUps(pool);
  const onSwept = (kind: string, count: number): void => {
    swept.inc({ kind }, count);
    if (count > 0) wakeUps.send('events');
  };
  const sweeper = loop('sweeper', {
    everyMs: 1_000,
    round: async () => await sweep({ pool, stuckAfterMs: config.stuckAfterMs, visibleMax: 100, onSwept }),
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
  const watches = startWatches(settings, { pool, client, loop, onAdmission: () => grants.wake() });
  const schedule = loop('retention schedule', {
    everyMs: scheduleEveryMs,
    round: async () => {
      await ensureRetentionSchedule(client);
      return 'idle';
    },
  });
  return {
    wake(kinds) {
      if (kinds.includes('mail')) deliveries.wake();
      if (kinds.includes('grant')) grants.wake();
    },
    async stop() {
      await Promise.all([grants, sweeper, reconciler, ...watches, schedule, deliveries].map((one) => one.stop()));
      await relay.idle();
    },
  };
}
