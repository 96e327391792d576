import { z } from 'zod';

import { failureOf, type Failure, type FailureCode } from '../../domain/failure.ts';
import { failureOfStatus, speaksOfCredit } from '../refusal.ts';
import type { Answer } from '../vendor-client.ts';

/** A task that failed. Its code is dotted, the most general part first: `SAFETY.INPUT.TEXT`. */
export function failureOfTask(failureCode: unknown): Failure {
  const vendorCode = vendorCodeSchema.safeParse(failureCode).data;
  return vendorCode === undefined ? failureOf('provider_failed') : failureOf(codeOf(vendorCode), { vendorCode });
}

/**
 * The class of a refusal: by its status, but that an account which ran dry is a 400 with words. A 429 does not say which
 * limit it means, but it is not the one on concurrent tasks, over which they wait (`THROTTLED`).
 */
export function failureOfRefusal({
  status,
  json,
  retryAfterMs,
}: Pick<Answer, 'status' | 'json' | 'retryAfterMs'>): Failure {
  const isOutOfCredit = status === 400 && speaksOfCredit(readError(json) ?? '');
  return isOutOfCredit ? failureOf('no_credit', { vendorCode: 'http_400' }) : failureOfStatus({ status, retryAfterMs });
}

/** The vendor's own form of an error; `undefined` when it is none, for example the page of a gateway before it. */
export function readError(value: unknown): string | undefined {
  return errorSchema.safeParse(value).data?.error;
}

function codeOf(vendorCode: string): FailureCode {
  const parts = vendorCode.split('.');
  // The check of the input may come before the model: `INPUT_PREPROCESSING.SAFETY.TEXT`.
  if (parts.includes('SAFETY')) return 'moderation';
  return parts[0] === 'ASSET' ? 'invalid_input' : 'provider_failed';
}

const vendorCodeSchema = z
  .string()
  .regex(/^[A-Z0-9_]+(?:\.[A-Z0-9_]+){0,7}$/)
  .max(64);

const errorSchema = z.object({ error: z.string() });
