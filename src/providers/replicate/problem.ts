import { z } from 'zod';

/** The vendor's own form of an error (RFC 9457). Some come with nothing but `detail`. */
export type Problem = z.infer<typeof problemSchema>;

/** `undefined` when the answer is no problem of the vendor's, for example the page of a gateway before it. */
export function readProblem(value: unknown): Problem | undefined {
  return problemSchema.safeParse(value).data;
}

const problemSchema = z.object({
  detail: z.string(),
  /** Seconds. Not documented; others have met it on 429 beside the same wait in words. */
  retry_after: z.number().min(0).max(1e9).nullish().catch(undefined),
});
