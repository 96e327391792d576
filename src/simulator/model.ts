/** One input of a model, as much of JSON Schema as the vendors' catalogues use. */
export type Field =
  | { readonly type: 'string'; readonly enum?: readonly string[]; readonly charsMax?: number }
  | { readonly type: 'integer'; readonly enum?: readonly number[]; readonly min?: number; readonly max?: number }
  | { readonly type: 'number'; readonly min?: number; readonly max?: number }
  | { readonly type: 'boolean' }
  | { readonly type: 'media' };

export type Inputs = Readonly<Record<string, unknown>>;

export interface Model {
  readonly id: string;
  /** How long a five-second clip usually takes. */
  readonly typicalSeconds: number;
  readonly required: readonly string[];
  readonly fields: Readonly<Record<string, Field>>;
  readonly usdMicrosPerSecond: (inputs: Inputs) => number;
}

const secondsDefault = 5;

export function findModel(models: readonly Model[], id: string): Model | undefined {
  return models.find((model) => model.id === id);
}

/** Some vendors write the duration as a text: `"10"`, `"8s"`. */
export function secondsOf(inputs: Inputs): number {
  const { duration } = inputs;
  const seconds = typeof duration === 'string' ? Number.parseFloat(duration) : duration;
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds : secondsDefault;
}

export function priceUsdMicros(model: Model, inputs: Inputs): number {
  return model.usdMicrosPerSecond(inputs) * secondsOf(inputs);
}

export function oneOf(...values: readonly string[]): Field {
  return { type: 'string', enum: values };
}

export function choice(...values: readonly number[]): Field {
  return { type: 'integer', enum: values };
}
