import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';

export interface ToldDelays {
  /** Milliseconds from the end of each job, by its event's own moment, to the event's being read. */
  readonly tenant: readonly number[];
  readonly job: readonly number[];
}

export interface ToldReader {
  /** Resolves once so many jobs have been told of by both kinds of streams. */
  untilToldOf(jobs: number): Promise<ToldDelays>;
}

interface Api {
  readonly origin: string;
  readonly apiKey: string;
}

interface Told {
  readonly video_id?: string;
  readonly kind?: string;
  readonly at?: string;
}

const patienceMs = 120_000;

/** Follows the whole tenant, and each job as soon as it has heard of it. */
export async function readToldDelays(api: Api): Promise<ToldReader> {
  const tenant: number[] = [];
  const job: number[] = [];
  /** Streams that were refused: by a machine that was busy with something else. */
  let missed = 0;
  const dispatcher = new Agent({ connections: null, bodyTimeout: 0 });
  const follow = async (path: string, onTold: (told: Told) => void): Promise<void> => {
    const headers = { authorization: `Bearer ${api.apiKey}` };
    const { body, statusCode } = await request(`${api.origin}${path}`, { headers, dispatcher });
    if (statusCode !== 200) throw new Error(`${path} was answered with ${statusCode}`);
    void eachMessage(body, onTold).catch(() => undefined);
  };
  await follow('/v1/events', (told) => {
    if (told.kind === 'job.completed') tenant.push(delayOf(told));
    if (told.kind === 'job.queued')
      void follow(`/v1/videos/${told.video_id}/events`, (one) => {
        if (one.kind === 'job.completed') job.push(delayOf(one));
      }).catch(() => (missed += 1));
  });
  return {
    async untilToldOf(jobs) {
      const giveUpAt = Date.now() + patienceMs;
      while ((tenant.length < jobs || job.length + missed < jobs) && Date.now() < giveUpAt) await delay(100);
      await dispatcher.destroy();
      return { tenant, job };
    },
  };
}

/** Both ends are on one machine, and by its clock. */
function delayOf({ at = '' }: Told): number {
  return Date.now() - Date.parse(at);
}

async function eachMessage(body: AsyncIterable<Buffer>, onTold: (told: Told) => void): Promise<void> {
  let rest = '';
  for await (const chunk of body) {
    const blocks = (rest + chunk.toString()).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) onTold(JSON.parse(data));
    }
  }
}
