import type { Database } from '../db/pool.ts';
import type { LeasedDelivery } from '../db/webhooks/claims.ts';
import { type Dispatch, findDispatch } from '../db/webhooks/dispatch.ts';
import { dropDelivery, type RecordedTry, recordTry, type TryRecord } from '../db/webhooks/tries.ts';
import { ensureTenantSecret } from '../db/webhooks/secrets.ts';
import type { FailureCode } from '../domain/failure.ts';
import { limits } from '../domain/limits/limits.ts';
import { type AfterTry, afterTry, type WebhookAnswer } from '../domain/webhook.ts';
import { payloadOf } from './payload.ts';
import { type SecretBox, SealError } from './secret-box.ts';
import { keyOf, newSecret, signedHeaders } from './signature.ts';

/** Sends one webhook, once. It never rejects for what the receiver does. */
export type PostWebhook = (post: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}) => Promise<WebhookAnswer & { readonly text?: string }>;

export interface TryDeps {
  readonly db: Database;
  readonly post: PostWebhook;
  readonly box: SecretBox;
  /** Where receivers reach the API. Absent: links are paths. */
  readonly publicUrl: string | undefined;
  readonly onTry?: (made: MadeTry) => void;
}

export interface MadeTry extends TryRecord, RecordedTry {
  readonly id: string;
  readonly outcome: AfterTry['outcome'] | DropReason;
  /** What there were before it. */
  readonly tries: number;
}

/** Its job was deleted; or its endpoint was. */
type DropReason = 'erased' | 'endpoint_disabled';

/**
 * Makes one try of a delivery that the caller has leased, and notes it. A process that dies before the note leaves the
 * lease, so the try is made again, under the same `webhook-id`.
 */
export async function tryDelivery(deps: TryDeps, leased: LeasedDelivery): Promise<MadeTry> {
  const found = await findDispatch(deps.db, leased.id);
  if (found === undefined || found.isErased) return await giveUp(deps, leased, 'erased');
  if (found.url === null) return await giveUp(deps, leased, 'endpoint_disabled');
  const message = { id: found.eventId, body: bodyOf(found, deps), now: Date.now() };
  const headers = signedHeaders(message, await keysOf(found, deps));
  const beganAt = performance.now();
  const answer = await deps.post({ url: found.url, headers, body: message.body });
  const record = recordOf(answer, performance.now() - beganAt);
  const after = afterTry(answer, { tries: leased.tries + 1, random: Math.random() });
  const recorded = await recordTry(deps.db, leased, { ...record, after });
  const made: MadeTry = { ...record, ...recorded, ...leased, outcome: after.outcome };
  deps.onTry?.(made);
  return made;
}

async function giveUp({ db }: TryDeps, leased: LeasedDelivery, reason: DropReason): Promise<MadeTry> {
  await dropDelivery(db, { id: leased.id, reason });
  const nothing = { status: null, error: null, excerpt: '', durationMs: 0, waitMs: 0, disabled: null };
  return { ...leased, ...nothing, state: 'dropped', outcome: reason };
}

function bodyOf({ kind, eventAt, job }: Dispatch, { publicUrl }: TryDeps): Buffer {
  const told = job && { ...job, failureCode: failureCodeOf(job.failureCode) };
  return payloadOf({ kind, eventAt, job: told, publicUrl });
}

/** Only `settle_job` writes it, from the closed set. */
function failureCodeOf(code: string | null): FailureCode | null {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what we wrote ourselves.
  return code as FailureCode | null;
}

/** The current key first, as a receiver is most likely to know it. */
async function keysOf(found: Dispatch, { db, box }: TryDeps): Promise<readonly Buffer[]> {
  const owner = ownerOf(found);
  const secret =
    found.secret ?? (await ensureTenantSecret(db, { tenant: found.tenant, secret: box.seal(newSecret(), owner) }));
  const current = keyOf(box.open(secret, owner));
  const previous = found.previousSecret === null ? undefined : openedIfPossible(box, found.previousSecret, owner);
  return previous === undefined ? [current] : [current, keyOf(previous)];
}

/** The previous secret only signs along: whoever rotated because its key was lost is not to be held up by it. */
function openedIfPossible(box: SecretBox, sealed: string, owner: string): string | undefined {
  try {
    return box.open(sealed, owner);
  } catch (error) {
    if (error instanceof SealError) return undefined;
    throw error;
  }
}

/** What a secret is sealed for. */
export function ownerOf({ endpoint, tenant }: Pick<Dispatch, 'endpoint' | 'tenant'>): string {
  return endpoint ?? `tenant:${tenant}`;
}

function recordOf(answer: Awaited<ReturnType<PostWebhook>>, durationMs: number): TryRecord {
  if (answer.kind === 'no_answer') return { status: null, error: answer.code, excerpt: '', durationMs };
  return { status: answer.status, error: null, excerpt: excerptOf(answer.text ?? ''), durationMs };
}

/** Postgres takes no NUL, and a log wants no other control characters either. */
function excerptOf(text: string): string {
  return Array.from(text.replaceAll(/\p{Cc}+/gu, ' '))
    .slice(0, limits.webhookExcerptCharsMax)
    .join('');
}
