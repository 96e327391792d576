/** Stops the program on a bug of ours. Operating errors are data (`failure.ts`) and never come here. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
