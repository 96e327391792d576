import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { asyncLocalStorage, Context } from '@temporalio/activity';
import pino from 'pino';
import { z } from 'zod';
import { createSubmitAttempt, type SubmitPoint } from '../../src/activities/submit-attempt.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { createPool } from '../../src/db/pool.ts';
import { createProvider } from '../../src/providers/registry.ts';
import { createLocalObjectStore } from '../../src/storage/local-object-store.ts';

/** A process of its own that submits what it is told to, and stands still where it is to be killed. */
const [url = '', simulator = '', publicUrl = '', apiKey = ''] = process.argv.slice(2);

const wishSchema = z.object({
  order: z.object({ jobId: z.string(), attempt: z.number(), target: z.number(), grant: z.string() }),
  /** Null: to the end. */
  standsAt: z.string().nullable(),
});

const deps = {
  db: createPool({ url, connectionsMax: 10, name: 'submitting', onError: () => undefined }),
  catalogue: await loadCatalogue(join(import.meta.dirname, '../../models.yaml')),
  providers: new Map([
    [
      'wavespeed',
      createProvider('wavespeed', { baseUrl: `${simulator}/wavespeed`, apiKey, timeouts: { startMs: 2_000 } }),
    ],
  ]),
  remoteFiles: new Map(),
  openInput: () => Promise.reject(new Error('no job here has a picture')),
  store: createLocalObjectStore('/nowhere'),
  publicUrl,
  log: pino({ level: 'silent' }),
  onQueued: () => undefined,
};

/** All that a submit uses of it. To load what mocks the whole of it would take longer than this process lives. */
const context: Context = Object.create(Context.prototype, { heartbeat: { value: () => undefined } });

async function submit({ order, standsAt }: z.infer<typeof wishSchema>): Promise<void> {
  const onPoint = async (point: SubmitPoint): Promise<void> => {
    if (point !== standsAt) return;
    process.send?.({ jobId: order.jobId, at: point });
    await new Promise(() => undefined);
  };
  const submitAttempt = createSubmitAttempt({ ...deps, onPoint });
  const answer = await retried(() => asyncLocalStorage.run(context, () => submitAttempt(order)));
  process.send?.({ jobId: order.jobId, answer });
}

/** As Temporal would, on a machine too busy to connect in time. Whoever waits for this process has a deadline. */
async function retried<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await work();
    } catch {
      await delay(500);
    }
  }
}

process.on('message', (message: unknown) => void submit(wishSchema.parse(message)));
process.send?.('ready');
