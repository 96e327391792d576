import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import { type PoolUse, readPoolUse } from '../../db/scheduler/capacity.ts';
import { type MailLag, readMailLag } from '../../db/mailbox/mail-lag.ts';
import { readStakes, type Stakes } from '../../db/tenants/money-at-risk.ts';
import type { Database } from '../../db/pool.ts';

interface Shown<Subject> {
  readonly name: string;
  readonly help: string;
  /** What is shown of a subject, by the label `state`; null: nothing. Empty: the gauge has no such label. */
  readonly states: Readonly<Record<string, (subject: Subject) => number | null>>;
}

const ofPools: readonly Shown<PoolUse>[] = [
  {
    name: 'spillway_pool_limit',
    help: 'Jobs that may be outstanding at a provider account: as configured, and as its refusals have taught.',
    states: { configured: ({ configured }) => configured, working: ({ working }) => working },
  },
  {
    name: 'spillway_pool_permits',
    help: 'Permits held: of jobs under way, and of zombies, whose provider works on though our job is final.',
    states: { live: ({ held, zombies }) => held - zombies, zombie: ({ zombies }) => zombies },
  },
  {
    name: 'spillway_pool_waiting_jobs',
    help: 'Jobs in line.',
    states: { '': ({ waiting }) => waiting },
  },
  {
    name: 'spillway_pool_next_wait_seconds',
    help: 'How long the jobs whose turn is next have waited, the longest of all classes and targets.',
    states: { '': ({ nextWaitSeconds }) => nextWaitSeconds },
  },
];

const ofAll: readonly Shown<Stakes>[] = [
  {
    name: 'spillway_queue_oldest_wait_seconds',
    help: 'How long the oldest waiting job has waited, of all pools.',
    states: { '': ({ oldestWaitSeconds }) => oldestWaitSeconds },
  },
  {
    name: 'spillway_money_at_risk_usd',
    help: 'What attempts that are out are expected to cost: under way, of jobs that are final already, and of lost answers, which count above too.',
    states: {
      under_way: ({ underWayUsd }) => underWayUsd,
      zombie: ({ zombieUsd }) => zombieUsd,
      unknown: ({ unknownUsd }) => unknownUsd,
    },
  },
  {
    name: 'spillway_spend_usd',
    help: 'What is committed, and the cap on it, where there is one.',
    states: { committed: ({ committedUsd }) => committedUsd, cap: ({ capUsd }) => capUsd },
  },
];

const ofMail: readonly Shown<MailLag>[] = [
  {
    name: 'spillway_mail_lag_seconds',
    help: 'How long the oldest letter to a workflow has been due: workers are too few, or Temporal does not take it.',
    states: { '': ({ oldestDueSeconds }) => oldestDueSeconds },
  },
];

/** However many ask, and however often: what they are told is as old as this at most. */
const freshMs = 5_000;

/** Gauges of what Postgres knows, read when somebody asks. While it is away they are absent, and not wrong. */
export function registerCapacityMetrics(registry: Registry, db: Database, log: Logger): void {
  const onError = (error: unknown): void => log.warn({ err: error }, 'capacity could not be read for the metrics');
  const readPools = remembered(async () => await readPoolUse(db), onError);
  const readAll = remembered(async () => await readStakes(db), onError);
  const readMail = remembered(async () => await readMailLag(db), onError);
  for (const shown of ofPools)
    show(registry, shown, async () =>
      (await readPools())?.map((use) => ({ subject: use, labels: { pool: use.pool } })),
    );
  for (const shown of ofAll) show(registry, shown, async () => alone(await readAll()));
  for (const shown of ofMail) show(registry, shown, async () => alone(await readMail()));
}

interface Seen<Subject> {
  readonly subject: Subject;
  readonly labels: Readonly<Record<string, string>>;
}

function alone<Subject>(subject: Subject | undefined): readonly Seen<Subject>[] | undefined {
  return subject && [{ subject, labels: {} }];
}

function show<Subject>(
  registry: Registry,
  { name, help, states }: Shown<Subject>,
  read: () => Promise<readonly Seen<Subject>[] | undefined>,
): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames: ['pool', 'state'],
    registers: [registry],
    async collect() {
      gauge.reset();
      for (const { subject, labels } of (await read()) ?? [])
        for (const [state, valueOf] of Object.entries(states)) {
          const value = valueOf(subject);
          if (value !== null) gauge.set({ ...labels, ...(state !== '' && { state }) }, value);
        }
    },
  });
}

/** One question for all gauges of a scrape, and for scrapes that follow each other closely. */
function remembered<Answer>(ask: () => Promise<Answer>, onError: (error: unknown) => void) {
  let known: { readonly answer: Promise<Answer | undefined>; readonly at: number } | undefined;
  return async (): Promise<Answer | undefined> => {
    if (known === undefined || performance.now() - known.at >= freshMs)
      known = { answer: ask().catch(forgotten), at: performance.now() };
    return await known.answer;
  };

  function forgotten(error: unknown): undefined {
    known = undefined;
    onError(error);
  }
}
