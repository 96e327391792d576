import { z } from 'zod';
import { limits } from '../../domain/limits/limits.ts';
import {
  actionsQuerySchema,
  bulkRepairSchema,
  endSchema,
  kindSchema,
  limitsSchema,
  pauseSchema,
  repairSchema,
  stuckQuerySchema,
} from '../admin/admin-schemas.ts';
import {
  actionListSchema,
  adminJobSchema,
  controlSchema,
  pauseListSchema,
  poolListSchema,
  repairAnswerSchema,
  repairedListSchema,
  stuckListSchema,
} from './admin-answers.ts';
import type { Operation } from './operation.ts';
import { videoId } from './video-schemas.ts';

const json = (schema: z.ZodType) => ({ 'application/json': { schema } });
const common = { tag: 'Admin', scope: 'admin' } as const;
const bodyProblems = ['invalid_json', 'invalid_request', 'body_too_large', 'unsupported_media_type'] as const;
const onceProblems = ['invalid_idempotency_key'] as const;
const orderProblems = [...onceProblems, 'idempotency_key_reused'] as const;
const repairProblems = ['job_final', 'repair_refused', 'temporal_unavailable'] as const;

/** What is asked for under one key is done once. */
const headers = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(limits.idempotencyKeyCharsMax)
    .optional()
    .meta({ pattern: '^[!-~]+$', description: 'What is asked for again under the same key is done once.' }),
});

const pool = z.string().min(1).meta({ description: 'The id of a pool. A slash is written `~`.' });
const pausePath = z.object({
  kind: kindSchema,
  subject: z
    .string()
    .min(1)
    .meta({ description: 'The name of a target, or the id of a pool or a tenant. A slash is written `~`.' }),
});

/** What operators do. Answers hold ids, names and moments, and nothing that callers have written. */
export const adminOperations: readonly Operation[] = [
  {
    ...common,
    method: 'get',
    path: '/v1/admin/stuck',
    id: 'listStuckJobs',
    summary: 'List jobs that do not get on, the longest first, with what to do.',
    query: stuckQuerySchema,
    answers: { 200: { description: 'The jobs of all tenants.', content: json(stuckListSchema) } },
    problems: ['invalid_request'],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/admin/jobs/{id}',
    id: 'getAdminJob',
    summary: 'Read any tenant’s job: all that `npm run ops -- show` has of it.',
    params: z.object({ id: videoId }),
    answers: { 200: { description: 'The job, without what its caller has written.', content: json(adminJobSchema) } },
    problems: ['invalid_id', 'video_not_found'],
  },
  {
    ...common,
    method: 'post',
    path: '/v1/admin/jobs/{id}/repairs',
    id: 'repairJob',
    summary: 'Repair a job, by the same update of its workflow as from Temporal UI.',
    params: z.object({ id: videoId }),
    headers,
    body: {
      'application/json': {
        schema: repairSchema.meta({ id: 'Repair' }),
        example: { repair: 'poll_now', reason: 'The provider says that it is done.' },
      },
    },
    answers: { 200: { description: 'It is done.', content: json(repairAnswerSchema) } },
    problems: ['invalid_id', 'video_not_found', ...bodyProblems, ...orderProblems, ...repairProblems],
  },
  {
    ...common,
    method: 'post',
    path: '/v1/admin/repairs',
    id: 'repairJobs',
    summary: 'Repair every job that is stuck for one cause, the longest first, or see which it would be.',
    headers,
    body: {
      'application/json': {
        schema: bulkRepairSchema.meta({ id: 'BulkRepair' }),
        example: {
          repair: 'poll_now',
          cause: 'waiting_callback_overdue',
          dry_run: true,
          reason: 'callbacks were lost',
        },
      },
    },
    answers: { 200: { description: 'Each job with its own outcome.', content: json(repairedListSchema) } },
    problems: [...bodyProblems, ...onceProblems],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/admin/pools',
    id: 'listPools',
    summary: 'List provider accounts: their limits, their targets, and who waits.',
    answers: { 200: { description: 'Every pool.', content: json(poolListSchema) } },
  },
  {
    ...common,
    method: 'put',
    path: '/v1/admin/pools/{pool}/limits',
    id: 'overrideLimits',
    summary: 'Set limits of a pool in place of the catalogue’s, for a while.',
    description: 'A lower one holds at once; a higher one within what the account has been learned to bear.',
    params: z.object({ pool }),
    headers,
    body: {
      'application/json': {
        schema: limitsSchema.meta({ id: 'LimitOverride' }),
        example: { outstanding_max: 10, for_seconds: 7_200, reason: 'The account is throttled until noon.' },
      },
    },
    answers: { 200: { description: 'They are in force.', content: json(controlSchema) } },
    problems: ['subject_not_found', ...bodyProblems, ...orderProblems],
  },
  {
    ...common,
    method: 'delete',
    path: '/v1/admin/pools/{pool}/limits',
    id: 'clearLimits',
    summary: 'Go back to the limits of the catalogue.',
    params: z.object({ pool }),
    query: endSchema,
    headers,
    answers: { 200: { description: 'They are in force.', content: json(controlSchema) } },
    problems: ['invalid_request', 'subject_not_found', ...orderProblems],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/admin/pauses',
    id: 'listPauses',
    summary: 'List what is paused, until when, by whom, and why.',
    answers: { 200: { description: 'Those in force.', content: json(pauseListSchema) } },
  },
  {
    ...common,
    method: 'put',
    path: '/v1/admin/pauses/{kind}/{subject}',
    id: 'pauseSubject',
    summary: 'Pause a target, a pool or a tenant, or drain a target.',
    description: 'Once it has answered, nothing more is granted there. What was granted goes on to its end.',
    params: pausePath,
    headers,
    body: {
      'application/json': {
        schema: pauseSchema.meta({ id: 'PauseOrder' }),
        example: { reason: 'The provider has an incident.', for_seconds: 3_600 },
      },
    },
    answers: { 200: { description: 'It is paused.', content: json(controlSchema) } },
    problems: ['not_found', 'subject_not_found', ...bodyProblems, ...orderProblems],
  },
  {
    ...common,
    method: 'delete',
    path: '/v1/admin/pauses/{kind}/{subject}',
    id: 'resumeSubject',
    summary: 'End a pause.',
    params: pausePath,
    query: endSchema,
    headers,
    answers: { 200: { description: 'It is served again.', content: json(controlSchema) } },
    problems: ['not_found', 'invalid_request', 'subject_not_found', ...orderProblems],
  },
  {
    ...common,
    method: 'get',
    path: '/v1/admin/actions',
    id: 'listActions',
    summary: 'List what operators did, and why: the newest first, or what has come since one.',
    query: actionsQuerySchema,
    answers: { 200: { description: 'The actions.', content: json(actionListSchema) } },
    problems: ['invalid_request'],
  },
];
