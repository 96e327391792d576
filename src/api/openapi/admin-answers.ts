import { z } from 'zod';
import { pauseKinds } from '../../domain/control.ts';
import { stuckCauses } from '../../domain/stuck.ts';
import { phase, videoId } from './video-schemas.ts';

const moment = z.iso.datetime();
const count = z.int().min(0);

function listOf(item: z.ZodObject, id: string) {
  return z.object({ object: z.literal('list'), data: z.array(item) }).meta({ id });
}

const stuckSchema = z
  .object({
    cause: z.enum(stuckCauses),
    since: moment,
    attempt: z.int().nullable(),
    sentence: z.string().meta({ description: 'The cause, in one sentence.' }),
    next_step: z.string(),
    command: z.string().meta({ description: 'Safe at any time, twice as well.' }),
  })
  .meta({ id: 'Stuck' });

const stuckJobSchema = z
  .object({
    id: videoId,
    object: z.literal('stuck_job'),
    tenant: z.string(),
    model: z.string(),
    status: phase,
    target: z.string().nullable(),
    provider: z.string().nullable(),
    stuck: stuckSchema,
  })
  .meta({ id: 'StuckJob' });

const actionSchema = z
  .object({
    id: z.string(),
    object: z.literal('operator_action'),
    at: moment,
    actor: z.string().meta({ description: 'The key by its id, or what whoever did it elsewhere called themselves.' }),
    action: z.string(),
    subject: z.string(),
    reason: z.string(),
    detail: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'OperatorAction' });

const word = z.string().nullable();
const sometime = moment.nullable();

const ticketSchema = z.object({
  attempt: count,
  kind: z.enum(['first', 'retry', 'overlap']),
  pool: z.string(),
  target: z.string(),
  waiting_since: moment,
  parked_until: sometime.meta({ description: 'It stands in line from then on. Null: it does.' }),
  over_budget: z.boolean(),
  wait_reason: word.meta({ description: 'Why the head of its line waits. Null: nobody has looked.' }),
});

const adminAttemptSchema = z.object({
  attempt: count,
  target: z.string(),
  state: z.string(),
  submitted_at: moment,
  answered_at: sometime,
  unknown_at: sometime,
  resolved_by: word,
  ended_at: sometime,
  outcome: word,
  evidence: word,
  failure_code: word,
  vendor_code: word,
  operation: word.meta({ description: 'What the provider calls it.' }),
  possible_duplicate: z.boolean(),
  copy: z.enum(['begun', 'stored', 'failed', 'removed']).nullable(),
});

const workflowSchema = z.object({
  status: z
    .string()
    .meta({ description: 'As Temporal has it. `NONE`: there is no workflow. `AWAY`: no answer in time.' }),
  namespace: word,
  run_id: word,
  started_at: sometime,
  history_length: count.nullable(),
  stuck_cause: word,
  problems: z.array(z.string()).meta({ description: 'Its tasks fail.' }),
  pending_activities: z.array(z.object({ type: z.string(), attempt: count, last_failure: word })),
});

export const adminJobSchema = z
  .object({
    id: videoId,
    object: z.literal('admin.job'),
    tenant: z.string(),
    model: z.string(),
    status: phase,
    route: z.array(z.string()).meta({ description: 'The targets that it may go to, in order.' }),
    accepted_at: moment,
    queue_deadline: moment,
    dispatched_at: sometime,
    started_at: sometime,
    run_deadline: sometime,
    cancel_requested_at: sometime,
    finished_at: sometime,
    failure_code: word,
    deleted: z.boolean(),
    stuck: stuckSchema.nullable(),
    ticket: ticketSchema.nullable().meta({ description: 'Its place in line. Null: it stands in none.' }),
    permits: z.array(
      z.object({ attempt: count, pool: z.string(), target: z.string(), granted_at: moment, zombie_since: sometime }),
    ),
    attempts: z.array(adminAttemptSchema),
    mail: z
      .array(z.object({ kind: z.string(), attempt: count, created_at: moment, tries: count }))
      .meta({ description: 'What is on its way to its workflow.' }),
    webhooks: z.array(
      z.object({
        id: z.string(),
        kind: z.string(),
        state: z.string(),
        tries: count,
        next_try_at: sometime,
        last_answer: word,
      }),
    ),
    events: z
      .array(z.object({ seq: count, at: moment, kind: z.string() }))
      .meta({ description: 'The last ones, the newest first.' }),
    actions: z.array(z.object({ at: moment, actor: z.string(), action: z.string(), reason: z.string() })),
    workflow: workflowSchema,
  })
  .meta({ id: 'AdminJob' });

export const repairAnswerSchema = z
  .object({
    object: z.literal('repair'),
    id: videoId,
    repair: z.string(),
    outcome: z.literal('done'),
    detail: z.string().meta({ description: 'What came of it, in a sentence.' }),
  })
  .meta({ id: 'RepairAnswer' });

const repairedJobSchema = z
  .object({
    id: videoId,
    tenant: z.string(),
    target: z.string().nullable(),
    outcome: z.enum(['planned', 'done', 'refused', 'not_found', 'final', 'reused', 'away', 'silent']).meta({
      description:
        '`planned`: it would be repaired. `refused`: the workflow says why. `final`: it has ended. `reused`: something ' +
        'else was asked of it under this key. `away`: Temporal did not answer, or there was no time left. `silent`: the workflow has not answered in time, and may yet do it.',
    }),
    detail: z.string().nullable(),
  })
  .meta({ id: 'RepairedJob' });

const overrideSchema = z.object({
  outstanding_max: count.nullable(),
  per_minute_max: count.nullable(),
  actor: z.string(),
  reason: z.string(),
  at: moment,
  expires_at: moment,
});

const poolSchema = z
  .object({
    id: z.string(),
    object: z.literal('pool'),
    provider: z.string(),
    outstanding_max: count.meta({ description: 'As the catalogue says.' }),
    per_minute_max: count,
    working_max: count.nullable().meta({ description: 'What was in force when last granted: what the account bears.' }),
    override: overrideSchema.nullable(),
    paused: z.boolean(),
    held: count.meta({ description: 'Permits, of which zombies: our job is final, the provider’s is not.' }),
    zombies: count,
    waiting: count,
    targets: z.array(
      z.object({
        name: z.string(),
        state: z.enum(['open', 'paused', 'draining']),
        admits: count
          .nullable()
          .meta({ description: 'How many attempts its breakers admit at once. Null: any number.' }),
        held: count,
        waiting: count,
        wait_reason: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Pool' });

const pauseSchema = z
  .object({
    object: z.literal('pause'),
    kind: z.enum(pauseKinds),
    subject: z.string(),
    drains: z.boolean(),
    actor: z.string(),
    reason: z.string(),
    at: moment,
    until: moment.nullable().meta({ description: 'Null: until it is resumed.' }),
  })
  .meta({ id: 'Pause' });

export const controlSchema = z
  .object({
    object: z.literal('control'),
    subject: z.string(),
    outcome: z.enum(['done', 'repeated', 'absent']).meta({
      description: '`repeated`: done before, under the same Idempotency-Key. `absent`: there was nothing to end.',
    }),
  })
  .meta({ id: 'ControlAnswer' });

export const stuckListSchema = listOf(stuckJobSchema, 'StuckJobList');
export const actionListSchema = listOf(actionSchema, 'OperatorActionList');
export const repairedListSchema = listOf(repairedJobSchema, 'RepairedJobList');
export const poolListSchema = listOf(poolSchema, 'PoolList');
export const pauseListSchema = listOf(pauseSchema, 'PauseList');
