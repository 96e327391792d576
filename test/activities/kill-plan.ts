import type { SubmitPoint } from '../../src/activities/submit-attempt.ts';
import type { RouteTarget } from '../../src/domain/route.ts';
import { seeded } from '../support/seeded.ts';

/** What happens to one submit, by its seed alone: so a seed that failed fails again by itself. */
export interface KillPlan {
  readonly seed: number;
  /** Where its process is killed, and perhaps the next one. */
  readonly killedAt: readonly SubmitPoint[];
  /** Whether the vendor has the POST when the process dies. Else it may, or may not. */
  readonly isHeard: boolean;
  /** What goes wrong at the vendor with the first POST, in the simulator's words, or `none`. */
  readonly fault: string;
  readonly callback: CallbackMoment;
  /** Whether our seed is in the vendor's list. Else the caller has set one. */
  readonly isListed: boolean;
  readonly policy: RouteTarget['unknownPolicy'];
}

export const submitPoints: readonly SubmitPoint[] = ['called', 'begun', 'posting', 'answered', 'recorded'];
const policies: readonly RouteTarget['unknownPolicy'][] = ['wait', 'resubmit', 'fail'];

/** When the vendor is done and says so, at the earliest: it can't before there is something to speak of. */
export const callbackMoments = ['at_point', 'before_retry', 'after_retry', 'after_grace', 'never'] as const;
export type CallbackMoment = (typeof callbackMoments)[number];

/** Of the vendor's answer to the POST: while it is under way there is none yet. */
const faultsOfAnswer = [
  'none',
  'submit-500-after',
  'submit-reset-after',
  'submit-500-before',
  'submit-refused',
] as const;
const faultsUnderWay = ['submit-slow=60000', 'submit-hang-after', 'submit-hang-before'] as const;

export function planKill(seed: number): KillPlan {
  const random = seeded(seed);
  const oneOf = <Thing>(things: readonly Thing[]): Thing => {
    const thing = things[Math.floor(random() * things.length)];
    if (thing === undefined) throw new Error('there is nothing to choose from');
    return thing;
  };
  const first = submitPoints[seed % submitPoints.length] ?? 'called';
  return {
    seed,
    killedAt: random() < 0.25 ? [first, oneOf(submitPoints)] : [first],
    isHeard: random() < 0.8,
    fault: oneOf<string>(first === 'posting' ? faultsUnderWay : faultsOfAnswer),
    callback: oneOf(callbackMoments),
    isListed: random() < 0.5,
    policy: oneOf(policies),
  };
}
