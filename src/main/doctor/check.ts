/** What a check has found. `warn`: it works, and something is to be known. `fail`: something does not work. */
export interface Finding {
  readonly verdict: 'ok' | 'warn' | 'fail';
  /** One sentence of what is. */
  readonly sentence: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** One question of `npm run doctor`. It runs whatever becomes of the others. */
export interface Check {
  readonly name: string;
  readonly run: () => Promise<Finding>;
  /** What to do when it throws, or gives no answer in time. */
  readonly advice: string;
}

export interface Result extends Finding {
  readonly name: string;
}

const checkMsMax = 20_000;

/** Runs all of them at once, each within its time, and returns what they found in their order. */
export async function runChecks(checks: readonly Check[], msMax = checkMsMax): Promise<readonly Result[]> {
  return await Promise.all(checks.map(async (check) => ({ name: check.name, ...(await outcomeOf(check, msMax)) })));
}

async function outcomeOf({ run, advice }: Check, msMax: number): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => resolve(fail(`There was no answer within ${msMax / 1_000} s.`, advice)), msMax);
  });
  try {
    return await Promise.race([run(), late]);
  } catch (error) {
    return fail(`${reasonOf(error)}.`, advice);
  } finally {
    clearTimeout(timer);
  }
}

export const ok = (sentence: string): Finding => ({ verdict: 'ok', sentence });
export const warn = (sentence: string, advice: string): Finding => ({ verdict: 'warn', sentence, advice });
export const fail = (sentence: string, advice: string): Finding => ({ verdict: 'fail', sentence, advice });

const reasonCharsMax = 300;

/** The first line of an error, and of what caused it where it is one of the network's. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'It failed without a reason';
  const { message, cause } = error;
  const [line = ''] = (message === '' && 'code' in error ? String(error.code) : message).split('\n');
  const because = cause instanceof Error && cause.message !== message ? ` (${cause.message.split('\n')[0]})` : '';
  return `${line}${because}`.replace(/\.$/, '').slice(0, reasonCharsMax);
}
