import { setTimeout as delay } from 'node:timers/promises';

export interface Patience {
  /** Milliseconds until the wait has failed. */
  readonly withinMs?: number;
  readonly everyMs?: number;
}

/** What a probe answers while what is waited for is not so. */
type NotYet = undefined | false | null;

/**
 * Waits until a probe has an answer, and returns it: the one way in which tests wait. A probe that throws has no answer
 * yet, since the thing it asks may just be down; what it threw last is told when time is up. What it expects in vain is an
 * answer, and ends the wait.
 */
export async function until<Answer>(
  what: string,
  probe: () => Promise<Answer | NotYet> | Answer | NotYet,
  { withinMs = 30_000, everyMs = 25 }: Patience = {},
): Promise<Answer> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    let thrown: unknown;
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false && answer !== null) return answer;
    } catch (error) {
      if (error instanceof Error && error.name === 'AssertionError') throw error;
      thrown = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: thrown });
    await delay(everyMs);
  }
}
