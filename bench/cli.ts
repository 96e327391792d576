import { parseArgs } from 'node:util';
import { readTemporalServerKind, type TemporalServerKind } from '../src/embedded/temporal-server-kind.ts';
import { benchAccept } from './accept.ts';
import { build } from './build.ts';
import { benchDispatch } from './dispatch.ts';
import { benchLifecycle } from './lifecycle.ts';
import type { VariantName } from './variants.ts';

const usage = `Usage: npm run bench -- <bench>

  accept      POST /v1/videos, open loop      --rate 2000 --seconds 30 [--selfie: multipart, at --rate 200]
  dispatch    acceptance to POST, slots free  --rate 10 --seconds 30
  lifecycle   jobs at once, API to settled    --jobs 1000 --rounds 2 --submitting 50 [--only ours|textbook|bare]

  --temporal postgres   dispatch and lifecycle on Temporal's own server instead of its dev server; Go builds it, once
`;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    jobs: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '2' },
    submitting: { type: 'string', default: '50' },
    only: { type: 'string', multiple: true, default: [] },
    selfie: { type: 'boolean', default: false },
    temporal: { type: 'string', default: 'dev' },
  },
});

const variants: readonly VariantName[] = ['ours', 'textbook', 'bare'];

const say = (line: string): void => console.log(line);

const benches: Readonly<Record<string, () => Promise<object>>> = {
  accept: async () => {
    const { selfie } = values;
    const ratePerSecond = count('rate', values.rate ?? (selfie ? '200' : '2000'));
    return await benchAccept({ ratePerSecond, seconds: count('seconds', values.seconds), selfie }, say);
  },
  dispatch: async () => {
    const ratePerSecond = count('rate', values.rate ?? '10');
    return await benchDispatch({ ratePerSecond, seconds: count('seconds', values.seconds), temporal: temporal() }, say);
  },
  lifecycle: async () => {
    const options = {
      jobs: count('jobs', values.jobs),
      rounds: count('rounds', values.rounds),
      submittingMax: count('submitting', values.submitting),
      temporal: temporal(),
      variants: variants.filter((name) => values.only.length === 0 || values.only.includes(name)),
    };
    return await benchLifecycle(options, say);
  },
};

async function main(): Promise<number> {
  const bench = benches[positionals[0] ?? ''];
  if (bench === undefined) {
    console.error(usage);
    return 2;
  }
  await build();
  say(JSON.stringify(await bench()));
  return 0;
}

function temporal(): TemporalServerKind {
  return readTemporalServerKind(values.temporal);
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) throw new Error(`--${name} has to be a whole number above zero.`);
  return value;
}

// What was started ends with this process (`exit` hooks), also when that is cut short.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
