/** The places of those that run at the same time, and the queue before them. */
export interface Slots {
  /** Begins at once, or as soon as those before it have made room. */
  take(id: string, begin: () => void): void;
  /** Leaves the slot, or the queue. */
  release(id: string): void;
  /** How many wait before it; undefined when it doesn't wait. */
  positionOf(id: string): number | undefined;
}

export function createSlots(max: number): Slots {
  const taken = new Set<string>();
  const waiting = new Map<string, () => void>();
  const fill = () => {
    for (const [id, begin] of waiting) {
      if (taken.size >= max) return;
      waiting.delete(id);
      taken.add(id);
      begin();
    }
  };
  return {
    take(id, begin) {
      waiting.set(id, begin);
      fill();
    },
    release(id) {
      waiting.delete(id);
      taken.delete(id);
      fill();
    },
    positionOf(id) {
      const position = [...waiting.keys()].indexOf(id);
      return position === -1 ? undefined : position;
    },
  };
}
