import type { Field, Model } from '../model.ts';
import { outputUrlOf, type Prediction } from '../prediction.ts';

/** WaveSpeed's JSON, and nothing else. */
export function successEnvelope(data: unknown): object {
  return { code: 200, message: 'success', data };
}

export function errorEnvelope(code: number, message: string, errorCode?: number): object {
  return { code, message, ...(errorCode !== undefined && { error_code: errorCode }) };
}

interface PredictionData {
  readonly outputs: readonly string[];
  readonly [field: string]: unknown;
}

/** The prediction as submit and poll answer it. */
export function predictionData(prediction: Prediction): PredictionData {
  return {
    id: prediction.id,
    model: prediction.model,
    outputs: outputsOf(prediction),
    urls: { get: `${prediction.baseUrl}/api/v3/predictions/${prediction.id}/result` },
    has_nsfw_contents: prediction.status === 'completed' ? [false] : [],
    status: prediction.status,
    created_at: new Date(prediction.createdAtMs).toISOString(),
    ...errorOf(prediction),
    timings: { inference: inferenceMs(prediction) },
  };
}

export function listItem(prediction: Prediction, listsInput: boolean): PredictionData {
  return {
    ...predictionData(prediction),
    ...(listsInput && { input: prediction.input }),
    executionTime: inferenceMs(prediction),
  };
}

/** The callback's body: flat, without an envelope, and with `outputs` only when there are some. */
export function callbackData(prediction: Prediction): object | undefined {
  if (prediction.status === 'timeout' || prediction.status === 'cancelled') return undefined;
  const { outputs, ...rest } = listItem(prediction, true);
  return { ...rest, ...(prediction.status === 'completed' && { outputs }) };
}

export function modelItem(model: Model): object {
  return {
    model_id: model.id,
    name: model.id,
    type: model.id.split('/').at(-1),
    base_price: (model.usdMicrosPerSecond({}) * 5) / 1e6,
    formula: 'price per second * duration',
    api_schema: {
      api_schemas: [{ type: 'model_run', api_path: `/api/v3/${model.id}`, request_schema: schemaOf(model) }],
    },
    api_path: `/api/v3/${model.id}`,
  };
}

function outputsOf(prediction: Prediction): readonly string[] {
  return prediction.status === 'completed' ? [outputUrlOf(prediction)] : [];
}

function errorOf({ ending }: Prediction): object {
  if (ending?.kind === 'failed') return { error: ending.message, code: ending.code };
  if (ending?.kind === 'timeout') return { error: 'The request timed out.', code: 5004 };
  if (ending?.kind === 'cancelled') return { error: 'The task was cancelled.', code: 1403 };
  return { error: '', code: 0 };
}

function inferenceMs({ startedAtMs, endedAtMs }: Prediction): number {
  return startedAtMs === undefined || endedAtMs === undefined ? 0 : Math.round(endedAtMs - startedAtMs);
}

function schemaOf({ fields, required }: Model): object {
  const properties = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, propertyOf(field)]));
  return { type: 'object', properties, required, 'x-order-properties': Object.keys(fields) };
}

function propertyOf(field: Field): object {
  if (field.type === 'media') return { type: 'string', format: 'uri' };
  if (field.type === 'boolean') return { type: 'boolean' };
  if (field.type === 'string')
    return {
      type: 'string',
      ...(field.enum && { enum: field.enum }),
      ...(field.charsMax && { maxLength: field.charsMax }),
    };
  const { min, max, type } = field;
  return {
    type,
    ...('enum' in field && { enum: field.enum }),
    ...(min !== undefined && { minimum: min }),
    ...(max !== undefined && { maximum: max }),
  };
}
