import { priorities } from './job.ts';

/** A priority class of a pool. Times are virtual: one unit is one grant, divided by a weight. */
export interface Lane {
  /** The index in `priorities`. */
  readonly class: number;
  /** What it was served. */
  readonly virtualTime: number;
  /** The largest start tag of a flow that was served in it. */
  readonly tag: number;
}

/** Whom fairness is between: a tenant's end user, in a class. */
export interface FlowKey {
  readonly class: number;
  readonly tenant: string;
  readonly caller: string;
}

/** Where a tenant stands in a class: all its flows together are charged by one clock. */
export interface TenantShare extends Omit<FlowKey, 'caller'> {
  readonly tag: number;
}

/**
 * The shares of the classes, in the order of `priorities`, while all of them wait. The shares are the ageing: the last class
 * has its 73rd of the starts however long the others' lines are, and nothing is rewritten while it waits.
 */
const classWeights: Readonly<Record<(typeof priorities)[number], number>> = { high: 64, normal: 8, low: 1 };

/** The weight of a class by its index. */
export function weightOf(index: number): number {
  const name = priorities[index];
  return name === undefined ? 1 : classWeights[name];
}
