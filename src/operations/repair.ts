import type { RepairAnswer, RepairName, RepairOrders } from '../contracts/repairs.ts';

/** One of the five repairs, with what it is asked. */
export type Repair = {
  readonly [Name in RepairName]: { readonly name: Name; readonly order: RepairOrders[Name] };
}[RepairName];

/**
 * What came of a repair. `refused`: the workflow says why. `not_found`: there is no such job. `final`: it has ended. `reused`:
 * something else was done under its id, and nothing now. `away`: nobody could be asked, and nothing has happened. `silent`: no
 * answer was heard, and it may have been done, or yet be.
 */
export type RepairResult =
  | { readonly kind: 'done'; readonly answer: RepairAnswer }
  | { readonly kind: 'refused' | 'not_found' | 'final' | 'reused' | 'away' | 'silent'; readonly reason: string };
