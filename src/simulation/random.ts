/** Luck that can be had again: the same seed, the same draws. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  between(range: Range): number;
  /** Whole numbers, the bounds among them. */
  count(range: Range): number;
  chance(share: number): boolean;
  pick<Item>(items: readonly [Item, ...Item[]]): Item;
}

export type Range = readonly [least: number, most: number];

export function createRandom(seed: number): Random {
  const next = mulberry32(seed);
  return {
    next,
    between: ([least, most]) => least + next() * (most - least),
    count: ([least, most]) => Math.floor(least + next() * (most - least + 1)),
    chance: (share) => next() < share,
    pick: (items) => items[Math.floor(next() * items.length)] ?? items[0],
  };
}

function mulberry32(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
