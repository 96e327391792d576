import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * How `npm run doctor` knows that PUBLIC_URL leads to this very deployment: it calls `/v1/callbacks/echo/{question}`,
 * whose question it has signed with what only processes on the same database know, and gets an answer signed with the
 * same. A question is good for a minute, and its answer is the same each time: to repeat one tells nobody anything.
 */
export interface Echo {
  readonly question: string;
  readonly answer: string;
}

const validMs = 60_000;
const nonceBytes = 16;

/** @param secret what our own URLs are signed with: the keys of an echo are derived from it */
export function askEcho(secret: Buffer, now: number): Echo {
  const nonce = randomBytes(nonceBytes).toString('hex');
  const asked = `${nonce}.${now}`;
  return { question: `${asked}.${sign(secret, `ask ${asked}`)}`, answer: sign(secret, `answer ${asked}`) };
}

/** Undefined: it is no question of ours, or one of too long ago. */
export function answerEcho(secret: Buffer, question: string, now: number): string | undefined {
  const [, nonce = '', askedAt = '', signature = ''] =
    /^([0-9a-f]{32})\.(\d{1,15})\.([0-9a-f]{64})$/.exec(question) ?? [];
  const asked = `${nonce}.${askedAt}`;
  const isOurs = isSame(signature, sign(secret, `ask ${asked}`));
  return isOurs && Math.abs(now - Number(askedAt)) <= validMs ? sign(secret, `answer ${asked}`) : undefined;
}

function sign(secret: Buffer, text: string): string {
  const key = createHmac('sha256', secret).update('callback echo').digest();
  return createHmac('sha256', key).update(text).digest('hex');
}

/** In a time that tells nothing of where they differ. */
function isSame(text: string, expected: string): boolean {
  const [one, other] = [Buffer.from(text), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
