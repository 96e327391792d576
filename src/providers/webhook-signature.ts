import { createHmac, timingSafeEqual, type BinaryLike } from 'node:crypto';

import { limits } from '../domain/limits/limits.ts';
import type { CallbackDelivery, CallbackReading } from './provider.ts';
import { parseJson } from './wire-values.ts';

/** What vendors that sign in the manner of Standard Webhooks do each in their own way. */
export interface SignatureScheme {
  readonly key: BinaryLike;
  /** The digest that one entry of the signature header holds; `undefined` when it is none of this scheme. */
  readonly digestIn: (signature: string) => Buffer | undefined;
}

export interface SignedCallbacks {
  /** Absent: nobody gave us the secret, so that a delivery proves nothing. */
  readonly scheme: SignatureScheme | undefined;
  /** What a parsed body says; `undefined` when it is nothing that we understand. */
  readonly reportIn: (body: unknown) => Report | undefined;
}

type Report = Omit<Extract<CallbackReading, { kind: 'report' }>, 'kind'>;

/** Reads a delivery of a vendor that signs so. Nothing of its body is looked at before its signature. */
export function readSignedCallback(delivery: CallbackDelivery, { scheme, reportIn }: SignedCallbacks): CallbackReading {
  const flaw = scheme && signatureFlaw(delivery, scheme);
  if (flaw) return { kind: 'forged', reason: flaw };
  const report = reportIn(parseJson(Buffer.from(delivery.rawBody).toString('utf8')));
  if (!report) return { kind: 'unreadable', reason: 'not_a_prediction' };
  return scheme ? { kind: 'report', ...report } : { kind: 'unsigned' };
}

/**
 * What is wrong with a delivery's proof, as a code; `undefined` when it holds. Signed are the id, the timestamp and the
 * raw body; one good entry of several is enough, so that a secret can be rotated.
 */
function signatureFlaw(delivery: CallbackDelivery, { key, digestIn }: SignatureScheme): string | undefined {
  const id = delivery.headers['webhook-id'];
  const timestamp = delivery.headers['webhook-timestamp'];
  const signatures = delivery.headers['webhook-signature'];
  if (!id || !timestamp || !signatures) return 'header_missing';
  const flaw = timestampFlaw(timestamp, delivery.now);
  if (flaw) return flaw;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(delivery.rawBody).digest();
  return signatures.split(' ').some((signature) => isSame(digestIn(signature), expected))
    ? undefined
    : 'signature_wrong';
}

/** What is wrong with the time of a delivery, in unix seconds. */
export function timestampFlaw(timestamp: string, now: number): string | undefined {
  if (!/^\d{1,12}$/.test(timestamp)) return 'timestamp_malformed';
  return Math.abs(now / 1000 - Number(timestamp)) > limits.callbackClockSecondsMax ? 'timestamp_stale' : undefined;
}

function isSame(digest: Buffer | undefined, expected: Buffer): boolean {
  return digest?.byteLength === expected.byteLength && timingSafeEqual(digest, expected);
}
