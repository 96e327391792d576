import { outputUrlOf, type Prediction } from '../prediction.ts';
import { bodyOf, errorOf, type FalError } from './errors.ts';

/** fal's JSON, and nothing else. */
export function submissionData(prediction: Prediction, queuePosition: number): object {
  return {
    status: 'IN_QUEUE',
    request_id: prediction.id,
    gateway_request_id: prediction.id,
    ...urlsOf(prediction),
    queue_position: queuePosition,
  };
}

export function stateData(prediction: Prediction, queuePosition: number): object {
  const common = { status: stateOf(prediction), request_id: prediction.id, ...urlsOf(prediction) };
  if (prediction.status === 'created') return { ...common, queue_position: queuePosition };
  const error = errorOf(prediction);
  const metrics = prediction.ending && { metrics: { inference_time: inferenceSeconds(prediction) } };
  return { ...common, logs: null, ...metrics, ...(error && errorFields(error)) };
}

export function outputData(prediction: Prediction): object {
  const video = { url: outputUrlOf(prediction), content_type: 'video/mp4', file_name: 'output.mp4' };
  return { video, seed: prediction.input['seed'] ?? 42 };
}

/** Whether a cancelled request sends one is not known: here it does not. */
export function callbackData(prediction: Prediction): object | undefined {
  const ids = { request_id: prediction.id, gateway_request_id: prediction.id };
  if (prediction.status === 'cancelled') return undefined;
  if (prediction.status === 'completed') return { ...ids, status: 'OK', payload: outputData(prediction) };
  const error = errorOf(prediction);
  // No document has one before the end, so it is told in the words of the queue.
  if (!error) return { ...ids, status: stateOf(prediction), payload: null };
  return { ...ids, status: 'ERROR', error: statusSentence(error), payload: bodyOf(error) };
}

/** Of the endpoint's id only this much is left in the paths of a request. */
export function appOf(model: string): string {
  return model.split('/').slice(0, 2).join('/');
}

/** Of an error that is the model's own, the state says the status only: the result says the rest. */
function errorFields(error: FalError): object {
  return error.kind === 'model' ? { error: statusSentence(error) } : { error: error.message, error_type: error.type };
}

function statusSentence({ status }: FalError): string {
  return `Invalid status code: ${status}`;
}

function stateOf({ status }: Prediction): string {
  if (status === 'created') return 'IN_QUEUE';
  return status === 'processing' ? 'IN_PROGRESS' : 'COMPLETED';
}

function urlsOf({ baseUrl, model, id }: Prediction): object {
  const response = `${baseUrl}/${appOf(model)}/requests/${id}`;
  return { response_url: response, status_url: `${response}/status`, cancel_url: `${response}/cancel` };
}

function inferenceSeconds({ startedAtMs, endedAtMs }: Prediction): number {
  return startedAtMs === undefined || endedAtMs === undefined ? 0 : (endedAtMs - startedAtMs) / 1_000;
}
