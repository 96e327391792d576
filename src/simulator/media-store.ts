export interface Medium {
  readonly type: string;
  readonly filename: string;
  readonly bytes: Buffer;
}

export interface MediaStore {
  save(id: string, medium: Medium): void;
  find(id: string): Medium | undefined;
}

/** Uploads in memory; the oldest make room, so that a benchmark can't fill the machine. */
export function createMediaStore(bytesMax = 64 * 1024 * 1024): MediaStore {
  const media = new Map<string, Medium>();
  let total = 0;
  return {
    save(id, medium) {
      media.set(id, medium);
      total += medium.bytes.length;
      for (const [oldest, { bytes }] of media) {
        if (total <= bytesMax || oldest === id) break;
        media.delete(oldest);
        total -= bytes.length;
      }
    },
    find: (id) => media.get(id),
  };
}
