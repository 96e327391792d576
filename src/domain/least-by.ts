/** The item of the least measure, of equal ones the first. One that measures infinity is none. */
export function leastBy<Item>(items: readonly Item[], measure: (item: Item) => number): Item | undefined {
  let best: Item | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const value = measure(item);
    if (value >= least) continue;
    best = item;
    least = value;
  }
  return best;
}
