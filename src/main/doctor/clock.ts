import { type Finding, fail, ok, warn } from './check.ts';

/** Signed URLs, tokens and callbacks are valid for minutes: a second is nothing, half a minute is trouble. */
const warnMs = 2_000;
const failMs = 30_000;

const asks = 3;

/**
 * How far ahead of this machine's clock another one is. Whoever asks knows it to half of the time that the answer took,
 * so the quickest of a few answers is believed, and no more than it can tell.
 */
export async function findClockSkew(read: () => Promise<number>): Promise<number> {
  let best = { tookMs: Number.POSITIVE_INFINITY, skewMs: 0 };
  for (let ask = 0; ask < asks; ask += 1) {
    const before = Date.now();
    const theirs = await read();
    const after = Date.now();
    const tookMs = after - before;
    if (tookMs < best.tookMs) best = { tookMs, skewMs: theirs - (before + after) / 2 };
  }
  const certain = Math.max(0, Math.abs(best.skewMs) - best.tookMs / 2);
  return Math.sign(best.skewMs) * certain;
}

export function judgeSkew(whose: string, skewMs: number): Finding {
  const seconds = (Math.abs(skewMs) / 1_000).toFixed(1);
  if (Math.abs(skewMs) < warnMs) return ok(`The clock of ${whose} and this machine's agree.`);
  const sentence = `The clock of ${whose} is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's.`;
  const advice = 'Have both set their clocks by NTP: deadlines, signatures and tokens are compared with them.';
  return Math.abs(skewMs) < failMs ? warn(sentence, advice) : fail(sentence, advice);
}
