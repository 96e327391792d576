import { temporaryProblem } from '../problems/problem.ts';

/** Bytes that may be in memory at once, over all requests. */
export interface ByteBudget {
  /** Returns what gives the bytes back. Throws the problem to answer with where there is no room. */
  take(bytes: number): () => void;
}

export function createByteBudget(bytesMax: number): ByteBudget {
  let taken = 0;
  return {
    take(bytes) {
      if (taken + bytes > bytesMax) throw temporaryProblem('overloaded');
      taken += bytes;
      return () => void (taken -= bytes);
    },
  };
}
