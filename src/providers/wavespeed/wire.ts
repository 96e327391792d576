import { z } from 'zod';

import { failureOf } from '../../domain/failure.ts';
import type { Progress } from '../provider.ts';
import { isSafeSegment, isWebUrl, parseJson } from '../wire-values.ts';
import { failureOfPrediction } from './failures.ts';

/**
 * What WaveSpeed says, as read in November 2026 and never confirmed against the live service (reference on providers,
 * section 2). So every field may be absent: only what an answer is read for is demanded of it.
 */
export type Envelope = z.infer<typeof envelopeSchema>;
export type Prediction = z.infer<typeof predictionSchema>;

/** The JSON object around every answer; `undefined` when the text is anything else. */
export function readEnvelope(text: string): Envelope | undefined {
  return envelopeSchema.safeParse(parseJson(text)).data;
}

/** All that an order has to be answered with. */
export function readPredictionId(value: unknown): string | undefined {
  return createdSchema.safeParse(value).data?.id;
}

export function readPrediction(value: unknown): Prediction | undefined {
  return predictionSchema.safeParse(value).data;
}

/** The items of one page that can be read. A page of which none can is unreadable, and not empty. */
export function readPage(value: unknown): readonly Prediction[] | undefined {
  const page = pageSchema.safeParse(value).data;
  const items = page?.items.flatMap((item) => readPrediction(item) ?? []);
  return items?.length === 0 && page?.items.length !== 0 ? undefined : items;
}

export function readUploadUrl(value: unknown): string | undefined {
  const url = uploadSchema.safeParse(value).data?.download_url;
  return isWebUrl(url) ? url : undefined;
}

/**
 * The vendor's status as ours (section 2.4). A status that we don't know counts as running: our own deadlines end it.
 * `envelopeCode` is one of the places where a failure's code might be.
 */
export function progressOf(prediction: Prediction, envelopeCode?: unknown): Progress {
  switch (prediction.status.toLowerCase()) {
    case 'created':
      return { kind: 'queued' };
    case 'completed':
      return finished(prediction);
    case 'failed':
      return { kind: 'failed', failure: failureOfPrediction(failureEvidence(prediction, envelopeCode)) };
    case 'timeout':
      return { kind: 'failed', failure: failureOf('timed_out', { vendorCode: 'timeout' }) };
    case 'cancelled':
    case 'deleted':
      return {
        kind: 'failed',
        failure: failureOf('provider_failed', { retry: 'elsewhere', vendorCode: prediction.status }),
      };
    default:
      return { kind: 'running' };
  }
}

function finished(prediction: Prediction): Progress {
  const url = prediction.outputs?.find(isWebUrl);
  return url === undefined
    ? { kind: 'failed', failure: failureOf('output_expired', { vendorCode: 'no_output' }) }
    : { kind: 'finished', video: { url } };
}

/** The code's place is not documented (section 2.5), so these are tried in order. */
function failureEvidence(prediction: Prediction, envelopeCode: unknown): readonly unknown[] {
  return [prediction.code, prediction.error_code, prediction.error, envelopeCode];
}

const envelopeSchema = z.object({
  code: z.number().nullish().catch(undefined),
  message: z.string().nullish().catch(undefined),
  error_code: z.unknown().optional(),
  data: z.unknown().optional(),
});

const createdSchema = z.object({ id: z.string().refine(isSafeSegment) });

const predictionSchema = createdSchema.extend({
  status: z.string(),
  model: z.string().nullish().catch(undefined),
  outputs: z.array(z.unknown()).nullish().catch(undefined),
  created_at: z.string().nullish().catch(undefined),
  code: z.unknown().optional(),
  error_code: z.unknown().optional(),
  error: z.unknown().optional(),
  // The list is not known to return the inputs, nor under which of these names (section 13, point 7).
  input: z
    .object({ seed: z.number().nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
  inputs: z
    .object({ seed: z.number().nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
});

const pageSchema = z.object({ items: z.array(z.unknown()) });

const uploadSchema = z.object({ download_url: z.string() });
