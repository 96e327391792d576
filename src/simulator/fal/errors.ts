import type { Prediction } from '../prediction.ts';

/** What a request came to that did not end well: the model's word, or the platform's. */
export type FalError = ModelError | PlatformError;

interface ModelError {
  readonly kind: 'model';
  readonly status: number;
  readonly detail: readonly Detail[];
  readonly retryable: boolean;
}

interface PlatformError {
  readonly kind: 'platform';
  readonly status: number;
  readonly type: string;
  readonly message: string;
}

interface Detail {
  readonly loc: readonly string[];
  readonly msg: string;
  readonly type: string;
}

/** What became of an ended request, in fal's terms; undefined when it went well. */
export function errorOf({ ending }: Prediction): FalError | undefined {
  switch (ending?.kind) {
    case 'failed':
      return translate(ending.code, ending.message);
    case 'timeout':
      return platformError(504, 'request_timeout', 'The request timed out.');
    case 'cancelled':
      return platformError(499, 'client_cancelled', 'The request was cancelled by the client.');
    case 'completed':
    case undefined:
      return undefined;
  }
}

export function bodyOf(error: FalError): object {
  return error.kind === 'model' ? { detail: error.detail } : { detail: error.message, error_type: error.type };
}

export function platformError(status: number, type: string, message: string): PlatformError {
  return { kind: 'platform', status, type, message };
}

/** The faults' codes are WaveSpeed's. */
function translate(code: number, message: string): FalError {
  const loc = ['body', 'prompt'];
  switch (code) {
    case 1200:
      return modelError(422, { type: 'content_policy_violation', msg: message, loc });
    case 1400:
      return modelError(422, { type: 'missing', msg: message, loc });
    case 1401:
      return modelError(422, { type: 'value_error', msg: message, loc });
    case 1402:
      return modelError(422, { type: 'file_download_error', msg: message, loc: ['body', 'image_url'] });
    case 1403:
      return { ...modelError(500, { type: 'internal_server_error', msg: message, loc: ['body'] }), retryable: true };
    case 5000:
      return platformError(500, 'internal_error', message);
    case 5003:
      return platformError(503, 'runner_disconnected', message);
    case 5004:
      return { ...modelError(504, { type: 'generation_timeout', msg: message, loc: ['body'] }), retryable: true };
    default:
      return platformError(500, 'runner_server_error', message);
  }
}

export function modelError(status: number, detail: Detail): ModelError {
  return { kind: 'model', status, detail: [detail], retryable: false };
}
