import { benchAccept } from './accept.ts';
import { build } from './build.ts';
import { benchBurst } from './burst.ts';
import { benchCalibration } from './calibration.ts';
import { benchCost } from './cost.ts';
import { benchDispatch } from './dispatch.ts';
import { benchFailover } from './failover.ts';
import { benchFairness } from './fairness.ts';
import {
  bare,
  bench as name,
  count,
  duration,
  isBuilt,
  learned,
  only,
  pinned,
  plot,
  selfie,
  temporalServer,
  tier,
} from './flags.ts';
import { benchGrants } from './grants.ts';
import { plotGrants } from './grants-plot.ts';
import { benchLifecycle } from './lifecycle.ts';
import { benchPlan } from './plan.ts';
import { readTier } from './tiers.ts';
import { benchOverload } from './overload.ts';
import { benchRead } from './read.ts';
import { benchSlots } from './slots.ts';
import { benchStream } from './stream.ts';
import { benchUtilisation } from './utilisation.ts';
import type { VariantName } from './variants.ts';

const usage = `Usage: npm run bench -- <bench>

  accept       POST /v1/videos, open loop      --rate 2000 --seconds 30 [--selfie: multipart, at --rate 200]
               by a tenant's key, with limits and budgets  [--bare: by the operator's, without]
  overload     three times what it can take    --seconds 60 --rate 1000 (the first step on the way to the peak)
  read         GET beside POST, open loops     --rate 2000 --posts 500 --seconds 20
  stream       settled to told; idle streams   --rate 20 --seconds 20 --streams 5000
  dispatch     acceptance to POST, slots free  --rate 10 --seconds 30
  lifecycle    jobs at once, API to settled    --jobs 1000 --rounds 2 --submitting 50 [--only ours|textbook|bare]
  slots        the worker's figures one by one  --jobs 1000 --rounds 2 --submitting 50
  burst        accept while dispatch runs      --count 100000 --rate 2000 --users 5000 --tier silver --video-seconds 6
                                               --drain-seconds 0
  utilisation  slots in use at the vendor      --slots 100 --per-minute 60000 --video-seconds 10 --seconds 120
                                               --warm-up-seconds 30 --users 50
                                               [--learned, --learned-rate: the catalogue promises five times as much]
  fairness     a single job beside a flood     --deep 100000 --users 1 --singles 60 --slots 20 --video-seconds 2
  grants       what a grant costs Postgres     --grants 50000 --deep 100000 --held 500 [--pinned: one snapshot, all the time]
  failover     vendors slow, failing, hanging  --jobs 200 --slots 30
  calibration  places and ETAs, and the truth  --jobs 600 --users 20 --slots 20 --video-seconds 4
  cost         rows, commits, log and events   --jobs 200, each of plain, poll, failover, webhook; always Temporal on Postgres
  plan         the planner's word on a burst   --count 100000, in virtual time

  --plot                writes the figures of docs/plots
  --temporal KIND       postgres, Temporal's own server (where Go has built it: the default), or dev
  --no-build            measures what is in dist
`;

const variants: readonly VariantName[] = ['ours', 'textbook', 'bare'];

const say = (line: string): void => console.log(line);

const benches: Readonly<Record<string, () => Promise<object>>> = {
  accept: async () => {
    const ratePerSecond = count('rate', selfie ? 200 : 2_000);
    return await benchAccept({ ratePerSecond, seconds: count('seconds', 30), selfie, bare }, say);
  },
  overload: async () =>
    await benchOverload({ seconds: count('seconds', 60), stepSeconds: 8, firstRate: count('rate', 1_000) }, say),
  read: async () => {
    const options = { readsPerSecond: count('rate', 2_000), postsPerSecond: count('posts', 500) };
    return await benchRead({ ...options, seconds: count('seconds', 20) }, say);
  },
  stream: async () => {
    const options = {
      ratePerSecond: count('rate', 20),
      seconds: count('seconds', 20),
      streams: count('streams', 5_000),
    };
    return await benchStream({ ...options, temporal: await temporalServer() }, say);
  },
  dispatch: async () => {
    const options = { ratePerSecond: count('rate', 10), seconds: count('seconds', 30) };
    return await benchDispatch({ ...options, temporal: await temporalServer() }, say);
  },
  lifecycle: async () => {
    const options = {
      jobs: count('jobs', 1_000),
      rounds: count('rounds', 2),
      submittingMax: count('submitting', 50),
      temporal: await temporalServer(),
      variants: variants.filter((variant) => only.length === 0 || only.includes(variant)),
    };
    return await benchLifecycle(options, say);
  },
  slots: async () => {
    const options = { jobs: count('jobs', 1_000), rounds: count('rounds', 2), submittingMax: count('submitting', 50) };
    return await benchSlots({ ...options, temporal: await temporalServer() }, say);
  },
  burst: async () => {
    const options = {
      ratePerSecond: count('rate', 2_000),
      count: count('count', 100_000),
      users: count('users', 5_000),
      tier: readTier(tier ?? 'silver'),
      videoSeconds: duration('video-seconds', 6),
      drainSeconds: duration('drain-seconds', 0),
    };
    return await benchBurst({ ...options, plot, temporal: await temporalServer() }, say);
  },
  utilisation: async () => {
    const options = {
      slots: count('slots', 100),
      perMinute: count('per-minute', learned === 'rate' ? 300 : 60_000),
      videoSeconds: duration('video-seconds', 10),
      seconds: count('seconds', learned === undefined ? 120 : 300),
      warmUpSeconds: duration('warm-up-seconds', { none: 30, outstanding: 120, rate: 240 }[learned ?? 'none']),
      users: count('users', 50),
      learned,
    };
    return await benchUtilisation({ ...options, plot, temporal: await temporalServer() }, say);
  },
  fairness: async () => {
    const options = {
      slots: count('slots', 20),
      videoSeconds: duration('video-seconds', 2),
      deep: count('deep', 100_000),
      users: count('users', 1),
      singles: count('singles', 60),
    };
    return await benchFairness({ ...options, plot, temporal: await temporalServer() }, say);
  },
  grants: async () => {
    const result = await benchGrants(
      { grants: count('grants', 50_000), backlogs: [1_000, count('deep', 100_000)], held: count('held', 500), pinned },
      say,
    );
    if (plot) say(`  ${await plotGrants(result)}`);
    return result;
  },
  failover: async () => {
    const options = { jobs: count('jobs', 200), slots: count('slots', 30), temporal: await temporalServer() };
    return await benchFailover(options, say);
  },
  cost: async () => await benchCost({ jobs: count('jobs', 200) }, say),
  plan: async () => await benchPlan({ jobs: count('count', 100_000), plot }, say),
  calibration: async () => {
    const options = {
      slots: count('slots', 20),
      videoSeconds: duration('video-seconds', 4),
      jobs: count('jobs', 600),
      users: count('users', 20),
    };
    return await benchCalibration({ ...options, plot, temporal: await temporalServer() }, say);
  },
};

async function main(): Promise<number> {
  const bench = benches[name];
  if (bench === undefined) {
    console.error(usage);
    return 2;
  }
  if (!isBuilt) await build();
  say(JSON.stringify(await bench()));
  return 0;
}

// What was started ends with this process (`exit` hooks), also when that is cut short.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
