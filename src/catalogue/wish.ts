import type { Route } from '../domain/route.ts';
import type { Requested } from '../domain/video-request.ts';
import type { Providers } from './availability.ts';

/** A request as far as the choice of targets depends on it. */
export interface Wish {
  readonly request: {
    readonly model: string;
    readonly seconds?: number;
    readonly size?: string;
    readonly hasImage: boolean;
    readonly prompt?: string;
    readonly seed?: number;
    readonly negative_prompt?: string;
    readonly audio?: boolean;
  };
  /** `auto`: the model's own fallbacks. `none`: the model alone. A list: these models, in this order. */
  readonly fallback: 'auto' | 'none' | readonly string[];
  readonly patienceSeconds?: number;
  readonly maxCostUsd?: number;
  /** Targets whose price is unknown are left out, whatever the deployment says. */
  readonly pricesNeeded?: boolean;
}

/** A wish with the length and the size that it is to be served in. */
export type FilledWish = Wish & { readonly seconds: number; readonly size: string };

/** What the deployment, rather than the catalogue, decides about a route. */
export interface PlanSettings {
  readonly providers: Providers;
  /** Whether there is a cap on spending, which an unknown price can't be shown to keep. */
  readonly pricesNeeded: boolean;
}

/** Every code of a refusal, in a sentence. */
export const refusalCodes = {
  model_not_found: 'There is no such model.',
  model_retired: 'The model is no more.',
  model_unavailable: 'The model is not set up here.',
  input_not_supported: 'The model takes no picture.',
  input_required: 'The model needs a picture.',
  value_not_allowed: 'The model does not make this length or this size.',
  field_not_supported: 'The model has no such field.',
  text_too_long: 'The model takes a shorter text only.',
  price_unknown: 'The price is unknown, so no limit on cost can be kept.',
  max_cost_too_low: 'The video costs more than max_cost_usd.',
} as const;

export type RefusalCode = keyof typeof refusalCodes;

export type PlanResult = Planned | Refusal;

export interface Planned {
  readonly kind: 'planned';
  readonly route: Route;
  /** The model, the length and the size that are served. */
  readonly model: string;
  readonly seconds: number;
  readonly size: string;
  /** What was asked for, where a retired model is served by others. */
  readonly requested?: Requested;
}

/** Why no target can do it. `pointer` is the JSON pointer of the field that has to change. */
export interface Refusal {
  readonly kind: 'refused';
  readonly pointer: string;
  readonly code: RefusalCode;
  readonly message: string;
  readonly allowed?: readonly (string | number)[];
}
