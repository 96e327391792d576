import type { NativeConnection } from '@temporalio/worker';
import { type BuildGate, createBuildGate } from '../../dispatch/build-gate.ts';
import { type LoopSettings, startLoop } from '../../dispatch/wake.ts';
import { limits } from '../../domain/limits/limits.ts';
import { buildIsCurrent } from '../metrics/metrics.ts';
import type { Stoppable } from '../stop.ts';
import { createTemporalClient } from '../temporal/connection.ts';
import type { WorkerSettings } from './settings.ts';

export interface RunningBuildGate extends BuildGate, Stoppable {}

/** Follows whether this process is of the current build. `onOpen`: from now on it is, and there may be work. */
export function startBuildGate(
  { config, temporal, log }: WorkerSettings,
  { connection, onOpen }: { readonly connection: NativeConnection; readonly onOpen: () => void },
): RunningBuildGate {
  const build = config.workerBuild;
  const gate = createBuildGate({
    client: createTemporalClient(temporal, connection),
    build,
    onChange(isOpen) {
      buildIsCurrent.set(isOpen ? 1 : 0);
      log.info({ ...build, isCurrent: isOpen }, isOpen ? 'this build is current' : 'this build is not current');
      if (isOpen) onOpen();
    },
  });
  buildIsCurrent.set(gate.isOpen() ? 1 : 0);
  if (build === undefined) return { ...gate, stop: async () => undefined };
  const looking = startLoop({
    everyMs: limits.buildLookEveryMs,
    round: async () => {
      await gate.look();
      return 'idle';
    },
    onError: (error) => log.warn({ err: error }, 'Temporal did not say which build is current'),
  });
  return { ...gate, stop: () => looking.stop() };
}

type Round = LoopSettings['round'];

/** Does nothing while another build is current: its workers do it. */
export function whileCurrent(gate: BuildGate, round: Round): Round {
  return async () => (gate.isOpen() ? await round() : 'idle');
}
