import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadCatalogue } from '../../catalogue/load.ts';
import { readConfig } from '../../config.ts';
import { limits } from '../../domain/limits/limits.ts';
import { isProviderKind } from '../../providers/registry.ts';
import { burstOf, parseArrivals } from '../../simulation/arrivals.ts';
import { type AccountPlan, planAccounts, type PlanWish } from './accounts.ts';
import { planTable } from './table.ts';

const usage = `Usage: npm run plan -- [options]

How long a backlog takes at each account level, and what it costs: the scheduler's own functions in virtual time. It buys
nothing and asks nobody.

  --model NAME          a model of the catalogue (wan-2.6)
  --seconds N           length of each video (5)
  --size WxH            size of each video (1280x720)
  --tier NAME           the level that you think of; the others are shown beside it
  --burst N             so many jobs within a minute (1000)
  --arrivals FILE       instead: lines of second,count[,tenant[,priority]]
  --real-share SHARE    what the account really bears of its limits, from 0.01 to 1 (1)
  --queue-ttl SECONDS   after which a job that still waits is ended (${limits.queueTtlSecondsDefault})
  --seed N              of the luck of durations and latencies (1)
  --json                one line of JSON
`;

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  model: { type: 'string', default: 'wan-2.6' },
  seconds: { type: 'string', default: '5' },
  size: { type: 'string', default: '1280x720' },
  tier: { type: 'string' },
  burst: { type: 'string' },
  arrivals: { type: 'string' },
  'real-share': { type: 'string', default: '1' },
  'queue-ttl': { type: 'string', default: String(limits.queueTtlSecondsDefault) },
  seed: { type: 'string', default: '1' },
  json: { type: 'boolean', default: false },
} as const;

/** The command line cannot be planned with; the message says what to write instead. */
class PlanError extends Error {
  override name = 'PlanError';
}

/** Plans a backlog and says what would become of it. */
export async function plan(argv: readonly string[], say: (text: string) => void): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options });
  if (values.help) {
    say(usage);
    return 0;
  }
  const { config } = readConfig();
  const catalogue = await loadCatalogue(config.cataloguePath, isProviderKind);
  const wish: PlanWish = {
    model: values.model,
    size: values.size,
    tier: values.tier,
    seconds: numberOf('--seconds', values.seconds, [1, limits.videoSecondsMax]),
    arrivals: await arrivalsOf(values),
    realShare: numberOf('--real-share', values['real-share'], [0.01, 1]),
    queueTtlSeconds: numberOf('--queue-ttl', values['queue-ttl'], [
      limits.queueTtlSecondsMin,
      limits.queueTtlSecondsMax,
    ]),
    seed: numberOf('--seed', values.seed, [0, limits.seedMax]),
    submittingMax: config.submittingMax,
  };
  const accounts: readonly AccountPlan[] = planAccounts(catalogue, wish);
  say(
    values.json
      ? `${JSON.stringify({ model: wish.model, real_share: wish.realShare, accounts })}\n`
      : planTable(accounts, wish),
  );
  return 0;
}

async function arrivalsOf({ burst, arrivals }: { burst?: string | undefined; arrivals?: string | undefined }) {
  if (burst !== undefined && arrivals !== undefined) throw new PlanError('Give --burst or --arrivals, not both.');
  if (arrivals === undefined) return burstOf(numberOf('--burst', burst ?? '1000', [1, limits.plannedJobsMax]));
  return parseArrivals(await readArrivals(arrivals));
}

async function readArrivals(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new PlanError(`--arrivals: ${path} cannot be read. Give the path of a file.`, { cause });
  }
}

function numberOf(option: string, text: string, [least, most]: readonly [number, number]): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw new PlanError(`${option} has to be a number from ${least} to ${most}, not "${text.slice(0, 40)}".`);
}
