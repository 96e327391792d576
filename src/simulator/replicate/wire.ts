import { isDataRemoved, outputUrlOf, type Ending, type Prediction } from '../prediction.ts';

/** Replicate's JSON of a prediction as anybody may ask for it: an hour after its end there is not much left. */
export function predictionData(prediction: Prediction): object {
  const { input, ...rest } = completeData(prediction);
  if (!isDataRemoved(prediction, Date.now())) return { ...rest, input };
  return { ...rest, input: {}, output: null, logs: '', data_removed: true };
}

/** The callback's body: the prediction as it was when it ended. What was aborted before its start is not told. */
export function callbackData(prediction: Prediction): object | undefined {
  return statusOf(prediction) === 'aborted' ? undefined : completeData(prediction);
}

function completeData(prediction: Prediction) {
  const { id, model, input, baseUrl, status, deadlineAtMs } = prediction;
  const [name, version = 'hidden'] = model.split(':', 2);
  const url = `${baseUrl}/v1/predictions/${id}`;
  return {
    id,
    model: name,
    version,
    input,
    output: status === 'completed' ? outputUrlOf(prediction) : null,
    error: errorOf(prediction),
    logs: '',
    status: statusOf(prediction),
    data_removed: false,
    source: 'api',
    ...timesOf(prediction),
    ...(deadlineAtMs !== undefined && { deadline: isoTime(deadlineAtMs) }),
    urls: { get: url, cancel: `${url}/cancel`, web: `https://replicate.com/p/${id}` },
  };
}

const statuses = {
  created: 'starting',
  processing: 'processing',
  completed: 'succeeded',
  failed: 'failed',
  timeout: 'failed',
  cancelled: 'canceled',
} as const;

/** Aborted is what its caller's own deadline met before it started. */
function statusOf({ status, startedAtMs, endedAtMs = 0, deadlineAtMs = Infinity }: Prediction): string {
  const isAborted = status === 'cancelled' && startedAtMs === undefined && endedAtMs >= deadlineAtMs;
  return isAborted ? 'aborted' : statuses[status];
}

function timesOf({ createdAtMs, startedAtMs, endedAtMs }: Prediction) {
  return {
    created_at: isoTime(createdAtMs),
    started_at: startedAtMs === undefined ? null : isoTime(startedAtMs),
    completed_at: endedAtMs === undefined ? null : isoTime(endedAtMs),
    metrics:
      endedAtMs === undefined
        ? {}
        : {
            predict_time: (endedAtMs - (startedAtMs ?? endedAtMs)) / 1_000,
            total_time: (endedAtMs - createdAtMs) / 1_000,
          },
  };
}

function errorOf({ ending }: Prediction): string | null {
  if (ending?.kind === 'failed') return failureTextOf(ending);
  return ending?.kind === 'timeout' ? 'Prediction interrupted; please retry (E6716)' : null;
}

/** A failure of the faults, whose codes are WaveSpeed's, in Replicate's words: many of its own have no code at all. */
function failureTextOf({ code, message }: Extract<Ending, { kind: 'failed' }>): string {
  switch (code) {
    case 1200:
      return 'The input or output was flagged as sensitive. Please try again with different inputs. (E005)';
    case 1403:
      return 'CUDA out of memory. (E1001)';
    case 5000:
      return 'Prediction failed for an unknown reason. (E1000)';
    default:
      return message;
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
