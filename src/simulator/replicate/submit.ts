import { z } from 'zod';
import { json, text, type Answer } from '../answer.ts';
import { readJson } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { submitTo, type SubmitAnswers } from '../submit.ts';
import type { InvalidInput } from '../validate-inputs.ts';
import { invalid, notFound, problem, throttled } from './answers.ts';
import { modelIdOf } from './models.ts';
import { predictionData } from './wire.ts';

export const submitRoutes: readonly Route[] = [
  { method: 'POST', path: /^\/v1\/models\/(?<owner>[^/]+)\/(?<name>[^/]+)\/predictions$/, handle: submitToModel },
  { method: 'POST', path: /^\/v1\/predictions$/, handle: submitToVersion },
];

/** Strict, as the vendor's: nothing of the caller's own can ride along. */
const bodySchema = z.strictObject({
  input: z.record(z.string(), z.unknown()),
  webhook: z.string().optional(),
  webhook_events_filter: z.array(z.enum(['start', 'output', 'logs', 'completed'])).optional(),
  stream: z.boolean().optional(),
});
const versionedSchema = bodySchema.extend({ version: z.string() });

async function submitToModel(exchange: Exchange): Promise<Answer> {
  const { owner, name } = exchange.parameters;
  return await submit(exchange, `${owner}/${name}`, bodySchema.safeParse(await readJson(exchange.request)));
}

async function submitToVersion(exchange: Exchange): Promise<Answer> {
  const body = versionedSchema.safeParse(await readJson(exchange.request));
  return await submit(exchange, modelIdOf(body.data?.version ?? ''), body);
}

type ParsedBody = z.ZodSafeParseResult<z.output<typeof bodySchema>>;

async function submit(exchange: Exchange, modelId: string, { data, error }: ParsedBody): Promise<Answer> {
  const deadline = deadlineIn(exchange.request.headers['cancel-after']);
  return await submitTo(exchange, {
    modelId,
    input: data?.input ?? {},
    webhook: wantsEnd(data?.webhook_events_filter) ? data?.webhook : undefined,
    deadlineMs: deadline === 'malformed' ? undefined : deadline,
    problem: error ? { kind: 'invalid', message: z.prettifyError(error) } : problemOf(deadline),
    answers,
  });
}

/** Only the end is ever told here. */
function wantsEnd(events: readonly string[] | undefined): boolean {
  return events?.includes('completed') ?? true;
}

const unitsMs: Readonly<Record<string, number>> = { '': 1_000, s: 1_000, m: 60_000, h: 3_600_000 };
const deadlineMsMin = 5_000;
/** A timer of Node's does not wait for longer. */
const deadlineMsMax = 2 ** 31 - 1;

function deadlineIn(header: string | string[] | undefined): number | 'malformed' | undefined {
  if (header === undefined) return undefined;
  const [, amount, unit = ''] = /^(\d{1,9})([smh]?)$/.exec(String(header)) ?? [];
  const ms = Number(amount) * (unitsMs[unit] ?? Number.NaN);
  return ms >= deadlineMsMin ? Math.min(ms, deadlineMsMax) : 'malformed';
}

function problemOf(deadline: ReturnType<typeof deadlineIn>): InvalidInput | undefined {
  if (deadline !== 'malformed') return undefined;
  return { kind: 'invalid', message: 'Cancel-After must be a duration of at least 5 seconds' };
}

const answers: SubmitAnswers = {
  accepted: (prediction) => json(201, predictionData(prediction)),
  rateLimited: () => throttled(60 - (Date.now() % 60_000) / 1_000),
  throttled: (seconds) => (seconds === undefined ? text(429, 'Too Many Requests') : throttled(seconds)),
  unknownModel: notFound,
  invalidInput: ({ field, message }) => invalid(field === undefined ? message : `- input.${field}: ${message}`, field),
  // Whatever is too much waits.
  overConcurrency: () => throttled(1),
  noCredit: () =>
    problem(402, { title: 'Billing required', detail: 'You have insufficient credit to run this model.' }),
};
