/**
 * What an operator may do to one job: validated updates of its workflow, the same from Temporal UI, from `npm run ops` and
 * from the admin API. Each names who and why, is recorded once (`operator_actions`, whose `request` is `<job>:<update id>`),
 * and may be sent again under the same update id without a second effect. One that is refused leaves no trace in the history;
 * its error is an application failure of type `repairRefusedType`, whose message names what to do.
 */
export const repairNames = ['pollNow', 'switchTarget', 'resubmit', 'extendDeadline', 'giveUp'] as const;

/** Of the failure that a refused update answers with. */
export const repairRefusedType = 'RepairRefused';

export type RepairName = (typeof repairNames)[number];

/** Who does it, and why: one line each, bounded by `limits.actorCharsMax` and `limits.reasonCharsMax`. */
export interface Signed {
  readonly by: string;
  readonly reason: string;
}

/** Asks the provider of every live attempt at once. */
export type PollNow = Signed;

/** Tries at another target of the job's route, by its name. What waits moves there, at once; what is live is tried beside. */
export type SwitchTarget = Signed & {
  readonly target: string;
  /** Needed where an attempt may still be paid, or its video is being copied: then two may be paid, or the copy is given up. */
  readonly force?: boolean;
};

/**
 * Tries again where the last attempt was, at once: what waits moves back there. Refused while one is live or unknown or its
 * video is not ours yet, which could pay twice, unless forced.
 */
export type Resubmit = Signed & { readonly force?: boolean };

/** Gives the job so many seconds more to wait in line and to run. */
export type ExtendDeadline = Signed & { readonly seconds: number };

/** Ends the job as failed, with code `terminated`. */
export type GiveUp = Signed;

export interface RepairOrders {
  readonly pollNow: PollNow;
  readonly switchTarget: SwitchTarget;
  readonly resubmit: Resubmit;
  readonly extendDeadline: ExtendDeadline;
  readonly giveUp: GiveUp;
}

/** What came of it, in a sentence for the operator. */
export interface RepairAnswer {
  readonly outcome: string;
}
