import { z } from 'zod';

import { failureOf } from '../../domain/failure.ts';
import type { Progress } from '../provider.ts';
import { isSafeSegment, isWebUrl } from '../wire-values.ts';
import { failureOfPrediction } from './failures.ts';

/**
 * What Replicate says, as read in November 2026 and never confirmed against the live service (reference on providers,
 * section 4). So every field may be absent: only what an answer is read for is demanded of it.
 */
export type Prediction = z.infer<typeof predictionSchema>;

export interface PredictionPage {
  readonly items: readonly Prediction[];
  /** A URL of the vendor's, or nothing at the end. */
  readonly next: string | null | undefined;
}

/** All that an order has to be answered with. */
export function readPredictionId(value: unknown): string | undefined {
  return createdSchema.safeParse(value).data?.id;
}

export function readPrediction(value: unknown): Prediction | undefined {
  return predictionSchema.safeParse(value).data;
}

/** The items of one page that can be read. A page of which none can is unreadable, and not empty. */
export function readPage(value: unknown): PredictionPage | undefined {
  const page = pageSchema.safeParse(value).data;
  const items = page?.results.flatMap((item) => readPrediction(item) ?? []);
  if (!page || !items || (items.length === 0 && page.results.length > 0)) return undefined;
  return { items, next: page.next };
}

export function readFileUrl(value: unknown): string | undefined {
  const url = fileSchema.safeParse(value).data?.urls.get;
  return isWebUrl(url) ? url : undefined;
}

/** The vendor's status as ours (section 4.2). A status that we don't know counts as running: our own deadlines end it. */
export function progressOf(prediction: Prediction): Progress {
  const vendorCode = prediction.status.toLowerCase();
  switch (vendorCode) {
    case 'starting':
      return { kind: 'queued' };
    case 'succeeded':
      return finished(prediction);
    case 'failed':
      return { kind: 'failed', failure: failureOfPrediction(prediction.error) };
    case 'canceled':
      return { kind: 'failed', failure: failureOf('provider_failed', { retry: 'elsewhere', vendorCode }) };
    case 'aborted':
      // Our own `Cancel-After` passed before it started, and it costs nothing.
      return { kind: 'failed', failure: failureOf('timed_out', { vendorCode }) };
    default:
      return { kind: 'running' };
  }
}

/** After an hour the vendor removes the output and leaves the status as it was (section 4.5). */
function finished({ output, data_removed }: Prediction): Progress {
  const url = urlIn(output);
  if (url !== undefined) return { kind: 'finished', video: { url } };
  const vendorCode = data_removed === true ? 'data_removed' : 'no_output';
  return { kind: 'failed', failure: failureOf('output_expired', { vendorCode }) };
}

/** Models differ: a URL, a list of them, or an object that has one. */
function urlIn(output: unknown): string | undefined {
  const files: readonly unknown[] = Array.isArray(output) ? output : [output];
  return files.map((file) => withUrlSchema.safeParse(file).data?.url ?? file).find(isWebUrl);
}

const withUrlSchema = z.object({ url: z.string() });

const createdSchema = z.object({ id: z.string().refine(isSafeSegment) });

const predictionSchema = createdSchema.extend({
  status: z.string(),
  model: z.string().nullish().catch(undefined),
  version: z.string().nullish().catch(undefined),
  input: z
    .object({ seed: z.number().nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
  output: z.unknown().optional(),
  error: z.unknown().optional(),
  data_removed: z.boolean().nullish().catch(undefined),
  created_at: z.string().nullish().catch(undefined),
});

const pageSchema = z.object({ results: z.array(z.unknown()), next: z.string().nullish() });

const fileSchema = z.object({ urls: z.object({ get: z.string() }) });
