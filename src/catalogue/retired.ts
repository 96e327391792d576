import type { CatalogueModel } from './schema.ts';
import type { FilledWish } from './wish.ts';

export type Retirement = NonNullable<CatalogueModel['retired']>;

/**
 * What a wish for a retired model becomes, in order of preference: its length is rounded up to one that is served, its
 * size is kept, or is one that the entry has in its place. Pure: which of them can be made, the plan finds out.
 */
export function insteadOf(wish: FilledWish, retired: Retirement, lengths: readonly number[]): readonly FilledWish[] {
  const seconds = roundedUp(wish.seconds, retired.seconds ?? lengths);
  const sizes = Object.hasOwn(retired.sizes, wish.size) ? (retired.sizes[wish.size] ?? []) : [];
  return [{ ...wish, seconds }, ...sizes.map((size) => ({ ...wish, seconds, size }))];
}

/** What is longer than every length that is served stays as it is, and is refused with the lengths that are. */
function roundedUp(seconds: number, lengths: readonly number[]): number {
  const longer = lengths.filter((length) => length >= seconds);
  return longer.length > 0 ? Math.min(...longer) : seconds;
}
