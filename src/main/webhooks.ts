import type { NativeConnection } from '@temporalio/worker';
import type pg from 'pg';
import type { Config, Secrets } from '../config.ts';
import { limitQueries } from '../db/limit-queries.ts';
import { countOpenDeliveries, dropUseless } from '../db/webhooks/upkeep.ts';
import type { BuildGate } from '../dispatch/build-gate.ts';
import { createWebhookRelay } from '../dispatch/webhook-relay.ts';
import { type LoopSettings, startLoop } from '../dispatch/wake.ts';
import { limits } from '../domain/limits/limits.ts';
import { createWebhookClient, webhookUrlPolicy } from '../providers/webhook-client.ts';
import { createSecretBox, type SecretBox } from '../webhooks/secret-box.ts';
import type { MadeTry, TryDeps } from '../webhooks/try-delivery.ts';
import { whileCurrent } from './worker/build-gate.ts';
import { webhookLag, webhooksDisabled, webhooksOpen, webhookTries } from './metrics/metrics.ts';
import type { Stoppable } from './stop.ts';
import { createTemporalClient } from './temporal/connection.ts';
import type { WorkerSettings } from './worker/settings.ts';

/** What the API needs to keep endpoints and to call them for a test. */
export function createWebhookDeps({ config, secrets }: { readonly config: Config; readonly secrets: Secrets }) {
  const urlPolicy = webhookUrlPolicy({ privateAllowed: config.webhookAllowPrivate });
  return { urlPolicy, post: createWebhookClient({ policy: urlPolicy }), box: createBox(secrets) };
}

function createBox({ encryptionKeys }: Secrets): SecretBox {
  return createSecretBox(encryptionKeys);
}

/** What worries an operator who reads it at the start. */
export function webhookNotice({ encryptionKeys }: Secrets): string | undefined {
  if (encryptionKeys.length > 0) return undefined;
  return 'ENCRYPTION_KEYS is not set: the secrets that webhooks are signed with are kept in the database as they are';
}

export interface WebhookParts {
  readonly pool: pg.Pool;
  readonly settings: WorkerSettings;
}

/** What a worker needs for tries, first ones and others. */
export function createTryDeps({ pool, settings }: WebhookParts): TryDeps {
  const { post, box } = createWebhookDeps(settings);
  return {
    db: limitQueries(pool, limits.webhookQueriesAtOnceMax),
    post,
    box,
    publicUrl: settings.publicUrl,
    onTry: (made) => note(settings, made),
  };
}

function note({ log }: WorkerSettings, { id, outcome, disabled, status, error }: MadeTry): void {
  webhookTries.inc({ result: outcome });
  if (outcome !== 'delivered') log.info({ delivery: id, outcome, status, error }, 'webhook was not taken');
  if (disabled === null) return;
  webhooksDisabled.inc({ reason: disabled });
  log.warn({ delivery: id, reason: disabled }, 'webhook endpoint was disabled');
}

export interface WebhookLoops extends Stoppable {
  wake(kinds: readonly string[]): void;
}

/** In a flood every event wakes the relay, and every try that ends: one look serves them all. */
const gapMs = 50;
const lookEveryMs = 500;
const tidyEveryMs = 5_000;
/** Everything open is counted, so not as often. */
const countEveryMs = 30_000;

/** The relay of first tries, and what tidies up behind it. */
export function startWebhooks(
  settings: WorkerSettings,
  {
    pool,
    connection,
    gate,
  }: { readonly pool: pg.Pool; readonly connection: NativeConnection; readonly gate: BuildGate },
): WebhookLoops {
  const { log, temporal } = settings;
  const loop = (name: string, round: Omit<LoopSettings, 'onError'>) =>
    startLoop({ ...round, onError: (error) => log.warn({ err: error, loop: name }, 'round failed') });
  const relay = createWebhookRelay({
    ...createTryDeps({ pool, settings }),
    client: createTemporalClient(temporal, connection),
    log,
    onFirstTry: (lateMs) => webhookLag.observe(lateMs / 1_000),
    onFree: () => relaying.wake(),
  });
  const relaying = loop('webhooks', { everyMs: lookEveryMs, gapMs, round: whileCurrent(gate, () => relay.takeUp()) });
  const tidying = loop('webhooks nobody waits for', { everyMs: tidyEveryMs, round: createTidyUp(pool) });
  return {
    wake(kinds) {
      if (kinds.includes('events')) relaying.wake();
    },
    async stop() {
      await Promise.all([relaying.stop(), tidying.stop()]);
      await relay.idle();
    },
  };
}

function createTidyUp(pool: pg.Pool): () => Promise<'again' | 'idle'> {
  let countAt = 0;
  return async () => {
    const dropped = await dropUseless(pool);
    if (performance.now() >= countAt) {
      countAt = performance.now() + countEveryMs;
      const { pending, retrying } = await countOpenDeliveries(pool);
      webhooksOpen.set({ state: 'pending' }, pending);
      webhooksOpen.set({ state: 'retrying' }, retrying);
    }
    return dropped > 0 ? 'again' : 'idle';
  };
}
