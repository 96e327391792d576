import express, { type Express } from 'express';
import { Webhook } from 'standardwebhooks';

/** What a phone is to show. */
export interface Push {
  readonly token: string;
  readonly title: string;
  readonly body: string;
  /** The app asks for the video with it, by the token that it got for the job. */
  readonly videoId: string;
  readonly status: string;
}

/** `gone`: the app was removed, so nobody has to be told any more. It rejects when another try may do better. */
export type SendPush = (push: Push) => Promise<'sent' | 'gone'>;

export interface ReceiverSettings {
  /** `whsec_…`, as the endpoint was answered with. */
  readonly secret: string;
  /** By the platform that the app's server put into the metadata of the job. */
  readonly senders: Readonly<Partial<Record<string, SendPush>>>;
  readonly log?: (line: string) => void;
}

/** Spillway waits for fifteen seconds. Whatever takes longer than this is better tried again. */
const answerWithinMs = 8_000;
const idsRemembered = 10_000;

/**
 * Takes webhooks and hands them on. It answers 2xx once the push was taken, and 503 when it was not, so that Spillway's ten
 * tries over three days are the queue: nothing is lost when this process dies, and it needs no database.
 */
export function createReceiver({ secret, senders, log = () => undefined }: ReceiverSettings): Express {
  const webhook = new Webhook(secret);
  /** A webhook may come twice. What was pushed, and what is being pushed, is not pushed again. */
  const pushes = new Map<string, Promise<void>>();
  const app = express();
  app.disable('x-powered-by');

  // The raw bytes: the signature is over them, not over what a parser makes of them.
  app.post('/spillway', express.raw({ type: 'application/json', limit: '32kb' }), async (request, response) => {
    const event = verified(request.body, request.headers);
    if (event === undefined) {
      response.status(401).end();
      return;
    }
    const id = String(request.headers['webhook-id']);
    try {
      await within(once(id, () => forward(event)), answerWithinMs);
      response.status(204).end();
    } catch (error) {
      log(`${id}: ${error instanceof Error ? error.message : String(error)}`);
      response.status(503).end();
    }
  });
  return app;

  function verified(body: unknown, headers: Record<string, unknown>): Event | undefined {
    if (!Buffer.isBuffer(body)) return undefined;
    try {
      const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
      return webhook.verify(body.toString('utf8'), signed) as Event;
    } catch {
      return undefined;
    }
  }

  /** Forgets what failed, so that it may come again. */
  async function once(id: string, work: () => Promise<void>): Promise<void> {
    const known = pushes.get(id);
    if (known !== undefined) return await known;
    const pushing = work();
    pushes.set(id, pushing);
    pushing.catch(() => pushes.delete(id));
    for (const [oldest] of pushes) {
      if (pushes.size <= idsRemembered) break;
      pushes.delete(oldest);
    }
    await pushing;
  }

  async function forward({ type, data }: Event): Promise<void> {
    const text = texts[type];
    const { push_platform: platform = '', push_token: token } = data.metadata ?? {};
    const send = senders[platform];
    if (text === undefined || token === undefined || send === undefined || data.id === undefined) return;
    const outcome = await send({ ...text, token, videoId: data.id, status: type.replace('video.', '') });
    // Here your own server forgets the token.
    if (outcome === 'gone') log(`${data.id}: its phone has removed the app`);
  }
}

interface Event {
  readonly type: string;
  readonly data: { readonly id?: string; readonly metadata?: Readonly<Record<string, string>> };
}

/** Nobody wants to hear that it has begun. */
const texts: Readonly<Partial<Record<string, { readonly title: string; readonly body: string }>>> = {
  'video.completed': { title: 'Your video is ready', body: 'Tap to watch it.' },
  'video.failed': { title: 'Your video could not be made', body: 'Tap to try again.' },
};

async function within(work: Promise<void>, waitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no push within ${waitMs} ms`)), waitMs);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
