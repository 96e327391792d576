import { secondsOf, type Inputs, type Model } from './model.ts';
import { findFault, type Fault } from './fault.ts';
import type { Ending } from './prediction.ts';
import { gaussian, type Random } from './random.ts';

export interface RunPlan {
  readonly queueMs: number;
  /** Absent: it never ends by itself. */
  readonly runMs?: number;
  readonly ending: Ending;
}

interface Run {
  readonly timeScale: number;
  readonly model: Model;
  readonly inputs: Inputs;
  readonly faults: readonly Fault[];
}

/** How a prediction will go, decided whole at creation: what happens to others meanwhile can't change it. */
export function planRun({ timeScale, model, inputs, faults }: Run, random: Random): RunPlan {
  const queueMs = logNormal(1_000, 0.5, random) * timeScale;
  const usualMs = sampleDurationMs(model, secondsOf(inputs), random) * timeScale;
  const runMs = usualMs * (findFault(faults, 'slow')?.factor ?? 1);
  const stuck = findFault(faults, 'stuck');
  if (stuck)
    return {
      queueMs,
      ...(stuck.endsAfterMs !== undefined && { runMs: stuck.endsAfterMs }),
      ending: { kind: 'timeout' },
    };
  // Moderation and fast failures come back before any pixel is made.
  const hasty = findFault(faults, 'failed-fast') ?? findFault(faults, 'moderation');
  return { queueMs, runMs: hasty ? usualMs * 0.05 : runMs, ending: endingOf(faults) };
}

/** A log-normal around the model's usual time; a longer clip pays for its extra seconds, less a fixed part. */
export function sampleDurationMs(model: Model, clipSeconds: number, random: Random): number {
  const typicalMs = model.typicalSeconds * 1_000 * (0.4 + 0.6 * (clipSeconds / 5));
  return logNormal(typicalMs, 0.3, random);
}

function logNormal(median: number, sigma: number, random: Random): number {
  return median * Math.exp(sigma * gaussian(random));
}

const failureTexts: Readonly<Record<number, string>> = {
  1200: 'The content contains sensitive information.',
  1402: 'Unable to access the provided media URL.',
  1403: 'The task could not be completed.',
  1405: 'The task execution failed.',
  5000: 'An internal error occurred.',
  5003: 'The service is temporarily unavailable.',
};

export function failureOf(code: number): Ending {
  return { kind: 'failed', code, message: failureTexts[code] ?? 'The task failed.' };
}

function endingOf(faults: readonly Fault[]): Ending {
  if (findFault(faults, 'moderation')) return failureOf(1200);
  const failed = findFault(faults, 'failed-fast') ?? findFault(faults, 'failed');
  return failed ? failureOf(failed.code) : { kind: 'completed' };
}
