import { createHeap } from './heap.ts';

/** What the order of a flow depends on. */
export interface Placed {
  readonly tag: number;
  /** The arrival that woke it: of equal tags the older is served first. */
  readonly since: number;
  readonly isActive: boolean;
  /** Counts its places in the order: only the last one is true. */
  version: number;
}

/** The active flows of a class that wait for one target, by their tags: what the index `flows_in_order` is in Postgres. */
export interface OrderedFlows<Row extends Placed> {
  /** At its place by the tag that it has now. */
  put(row: Row): void;
  first(count: number): readonly Row[];
}

interface Place<Row> {
  readonly row: Row;
  readonly version: number;
  readonly tag: number;
  readonly since: number;
}

export function createOrderedFlows<Row extends Placed>(): OrderedFlows<Row> {
  const places = createHeap<Place<Row>>((one, other) =>
    one.tag === other.tag ? one.since < other.since : one.tag < other.tag,
  );
  return {
    put(row) {
      row.version += 1;
      places.push({ row, version: row.version, tag: row.tag, since: row.since });
    },
    first(count) {
      const found: Place<Row>[] = [];
      while (found.length < count) {
        const place = places.pop();
        if (place === undefined) break;
        if (place.row.isActive && place.version === place.row.version) found.push(place);
      }
      for (const place of found) places.push(place);
      return found.map(({ row }) => row);
    },
  };
}
