import { Agent, request } from 'undici';

/** Posts all jobs in one moment, as a campaign does: a process of its own, driven by one message. */

export interface BurstPlan {
  readonly url: string;
  readonly apiKey: string;
  readonly jobs: number;
}

export interface BurstReport {
  readonly kind: 'report';
  /** Milliseconds since the epoch. */
  readonly firstPostAt: number;
  readonly answersMs: readonly number[];
  readonly ids: readonly string[];
  readonly errors: Readonly<Record<string, number>>;
}

const answersWithinMs = 120_000;

process.on('message', (plan: BurstPlan) => {
  // The channel keeps this process alive until the bench stops it.
  void post(plan).then((report) => process.send?.(report));
});

async function post({ url, apiKey, jobs }: BurstPlan): Promise<BurstReport> {
  const dispatcher = new Agent({ connections: jobs, pipelining: 1, headersTimeout: answersWithinMs });
  const answersMs: number[] = [];
  const ids: string[] = [];
  const errors: Record<string, number> = {};
  const fail = (code: string): void => void (errors[code] = (errors[code] ?? 0) + 1);
  const firstPostAt = Date.now();
  const postOne = async (index: number): Promise<void> => {
    const at = performance.now();
    try {
      const answer = await request(url, {
        dispatcher,
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
        body: JSON.stringify({
          prompt: `Take ${index}: waves at dusk, a slow pan to the lighthouse`,
          model: 'wan-2.6',
        }),
      });
      const id = idOf(await answer.body.json());
      answersMs.push(performance.now() - at);
      if (answer.statusCode === 202 && id !== undefined) ids.push(id);
      else fail(String(answer.statusCode));
    } catch (error) {
      fail(error instanceof Error && 'code' in error ? String(error.code) : 'unreadable');
    }
  };
  await Promise.all(Array.from({ length: jobs }, (_, index) => postOne(index)));
  await dispatcher.close();
  return { kind: 'report', firstPostAt, answersMs, ids, errors };
}

function idOf(body: unknown): string | undefined {
  return typeof body === 'object' && body !== null && 'id' in body && typeof body.id === 'string' ? body.id : undefined;
}
