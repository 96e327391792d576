/** A binary heap: whoever is before all others comes first. */
export interface Heap<Item> {
  readonly size: () => number;
  push(item: Item): void;
  pop(): Item | undefined;
  peek(): Item | undefined;
}

export function createHeap<Item>(isBefore: (one: Item, other: Item) => boolean): Heap<Item> {
  const items: Item[] = [];

  const isLess = (one: number, other: number): boolean => {
    const [left, right] = [items[one], items[other]];
    return left !== undefined && right !== undefined && isBefore(left, right);
  };
  const swap = (one: number, other: number): void => {
    const [left, right] = [items[one], items[other]];
    if (left === undefined || right === undefined) return;
    items[one] = right;
    items[other] = left;
  };
  const rise = (from: number): void => {
    for (let index = from; index > 0;) {
      const parent = (index - 1) >> 1;
      if (!isLess(index, parent)) return;
      swap(index, parent);
      index = parent;
    }
  };
  const sink = (): void => {
    for (let index = 0; ;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const least = isLess(right, left) ? right : left;
      if (!isLess(least, index)) return;
      swap(index, least);
      index = least;
    }
  };
  return {
    size: () => items.length,
    push(item) {
      items.push(item);
      rise(items.length - 1);
    },
    pop() {
      const first = items[0];
      const last = items.pop();
      if (items.length === 0 || last === undefined) return first;
      items[0] = last;
      sink();
      return first;
    },
    peek: () => items[0],
  };
}
