import { z } from 'zod';

import { failureOf } from '../../domain/failure.ts';
import type { Progress } from '../provider.ts';
import type { Answer } from '../vendor-client.ts';
import { isSafeSegment, isWebUrl } from '../wire-values.ts';

/**
 * What fal says, as read in November 2026 and never confirmed against the live service (reference on providers,
 * section 3). So every field may be absent: only what an answer is read for is demanded of it.
 */
export type Submission = z.infer<typeof submissionSchema>;
export type State = z.infer<typeof stateSchema>;
export type Delivery = z.infer<typeof deliverySchema>;
export type Upload = z.infer<typeof uploadSchema>;

export function readSubmission(value: unknown): Submission | undefined {
  return submissionSchema.safeParse(value).data;
}

export function readState(value: unknown): State | undefined {
  return stateSchema.safeParse(value).data;
}

export function readDelivery(value: unknown): Delivery | undefined {
  return deliverySchema.safeParse(value).data;
}

export function readUpload(value: unknown): Upload | undefined {
  return uploadSchema.safeParse(value).data;
}

/** A model's output. One without a usable URL is no video, however well it went. */
export function progressOfOutput(output: object): Progress {
  const url = outputSchema.safeParse(output).data?.video.url;
  return url === undefined
    ? { kind: 'failed', failure: failureOf('output_expired', { vendorCode: 'no_output' }) }
    : { kind: 'finished', video: { url } };
}

/** Both shapes of an error (section 3.4); `undefined` when the value is neither. */
export function readError(value: unknown): ErrorBody | undefined {
  const error = errorSchema.safeParse(value).data;
  if (!error || (error.detail === undefined && error.error_type === undefined)) return undefined;
  const details = Array.isArray(error.detail) ? error.detail : [];
  return {
    types: [error.error_type, ...details.map((detail) => detail?.type)].flatMap(typesIn),
    // Looked into for a few words, never kept.
    message: typeof error.detail === 'string' ? error.detail : '',
    isOfModel: details.length > 0,
  };
}

export interface ErrorBody {
  readonly types: readonly string[];
  readonly message: string;
  /** Whether it is the list of faults that models give, as against the platform's one sentence. */
  readonly isOfModel: boolean;
}

/** What an error says of itself, wherever it stood: in an answer, a state or a callback. */
export interface Evidence {
  /** The HTTP status of the model or the platform, where one is known. */
  readonly status?: number | undefined;
  /** Machine-readable names, in the order in which they stood. */
  readonly types: readonly string[];
  /** Whether the vendor itself thinks that another try may help. */
  readonly retryable?: boolean | undefined;
}

/** What an answer that is no success proves about the request that it answers for. */
export function evidenceOf({ status, headers, json }: Answer): Evidence {
  const types = [...typesIn(headers['x-fal-error-type']), ...(readError(json)?.types ?? [])];
  return { status, types, retryable: readFlag(headers['x-fal-retryable'] ?? headers['x-fal-needs-retry']) };
}

/** A type is a machine's word: whatever else stands in its place may be a prompt, and is dropped. */
export function typesIn(value: unknown): readonly string[] {
  return typeof value === 'string' && /^[a-z][a-z0-9_.]{0,63}$/.test(value) ? [value] : [];
}

function readFlag(text: string | undefined): boolean | undefined {
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : undefined;
}

const safeId = z.string().refine(isSafeSegment);
const webUrl = z.string().refine(isWebUrl);
const anyText = z.string().nullish().catch(undefined);
const detailsMax = 100;

const submissionSchema = z.object({ request_id: safeId, status_url: anyText });

const stateSchema = z.object({
  status: z.string(),
  request_id: anyText,
  error: z.unknown().optional(),
  error_type: z.unknown().optional(),
});

const outputSchema = z.object({ video: z.object({ url: webUrl }) });

const errorSchema = z.object({
  detail: z
    .union([z.string(), z.array(z.object({ type: z.unknown().optional() }).nullish().catch(undefined)).max(detailsMax)])
    .optional()
    .catch(undefined),
  error_type: z.string().optional().catch(undefined),
});

const deliverySchema = z.object({
  request_id: safeId,
  status: z.string(),
  payload: z.unknown().optional(),
  payload_error: z.unknown().optional(),
  error: z.unknown().optional(),
  error_type: z.unknown().optional(),
});

const uploadSchema = z.object({ upload_url: webUrl, file_url: webUrl });
