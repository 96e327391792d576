import { limits } from '../domain/limits.ts';
import type { Route, RouteTarget } from '../domain/route.ts';
import type { Catalogue, CatalogueTarget, TargetMode } from './schema.ts';

/** A request as far as the choice of targets depends on it. */
export interface Wish {
  readonly request: {
    readonly model: string;
    readonly seconds?: number;
    readonly size?: string;
    readonly hasImage: boolean;
    readonly seed?: number;
    readonly negative_prompt?: string;
    readonly audio?: boolean;
  };
  /** `auto`: the model's own fallbacks. `none`: the model alone. A list: these models, in this order. */
  readonly fallback: 'auto' | 'none' | readonly string[];
  readonly patienceSeconds?: number;
  readonly maxCostUsd?: number;
}

export type PlanResult =
  | {
      readonly kind: 'planned';
      readonly route: Route;
      readonly model: string;
      readonly seconds: number;
      readonly size: string;
    }
  | Refusal;

/** Why no target can do it. `pointer` is the JSON pointer of the field that has to change. */
export interface Refusal {
  readonly kind: 'refused';
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
  readonly allowed?: readonly (string | number)[];
}

/** What the deployment, rather than the catalogue, decides about a route. */
export interface PlanSettings {
  /** Whether callbacks can reach us. */
  readonly callbacks: boolean;
  /** Whether there is a cap on spending, which an unknown price can't be shown to keep. */
  readonly pricesNeeded: boolean;
  /** Providers of this deployment whose jobs can be stopped. */
  readonly stoppable: ReadonlySet<string>;
}

const defaultSeconds = 5;
const defaultSize = '1280x720';

/**
 * The ordered targets that can make a request, as a route to keep with the job. A target that can't express the request
 * is left out; when none is left, the first one's reason is the answer.
 */
export function plan(catalogue: Catalogue, settings: PlanSettings, wish: Wish): PlanResult {
  const { model } = wish.request;
  const entry = findModel(catalogue, model);
  if (entry === undefined) return unknownModel(catalogue, '/model', model);
  const fallbacks = wish.fallback === 'auto' ? entry.fallbacks : wish.fallback === 'none' ? [] : wish.fallback;
  const stranger = fallbacks.findIndex((name) => findModel(catalogue, name) === undefined);
  if (stranger !== -1) return unknownModel(catalogue, `/fallback/${stranger}`, fallbacks[stranger] ?? '');

  const seconds = wish.request.seconds ?? defaultSeconds;
  const size = wish.request.size ?? defaultSize;
  const names = [...new Set([model, ...fallbacks].flatMap((name) => findModel(catalogue, name)?.targets ?? []))];
  const weighed = names.map((name) => weigh({ catalogue, settings, wish: { ...wish, seconds, size }, name }));
  const route = weighed
    .flatMap((result) => (result.kind === 'fits' ? [result.target] : []))
    .slice(0, limits.targetsOfRouteMax);
  if (route.length > 0) return { kind: 'planned', route, model, seconds, size };
  const reason = weighed.find((result) => result.kind === 'refused');
  return reason ?? unknownModel(catalogue, '/model', model);
}

/** The name comes from outside: `constructor` is no model. */
function findModel({ models }: Catalogue, name: string): Catalogue['models'][string] | undefined {
  return Object.hasOwn(models, name) ? models[name] : undefined;
}

interface Weighing {
  readonly catalogue: Catalogue;
  readonly settings: PlanSettings;
  readonly wish: Wish & { readonly seconds: number; readonly size: string };
  readonly name: string;
}

function weigh(weighing: Weighing): { kind: 'fits'; target: RouteTarget } | Refusal {
  const { catalogue, settings, wish, name } = weighing;
  const target = catalogue.targets[name];
  if (target === undefined) return unknownModel(catalogue, '/model', name);
  const mode = wish.request.hasImage ? target.image : target.text;
  const refusal = reasonAgainstMode(mode, wish, name);
  if (refusal !== undefined || mode === undefined) return refusal ?? unknownModel(catalogue, '/model', name);

  const priceUsdMicros = priceOf(target, wish);
  return (
    reasonAgainstPrice(priceUsdMicros, settings, wish) ?? {
      kind: 'fits',
      target: routeTarget({ name, target, mode, priceUsdMicros }, settings, wish),
    }
  );
}

function reasonAgainstMode(mode: TargetMode | undefined, wish: Weighing['wish'], name: string): Refusal | undefined {
  const { request, seconds, size } = wish;
  if (mode === undefined) {
    return request.hasImage
      ? refuse('/input_reference', 'input_not_supported', `${name} takes no picture.`)
      : refuse('/input_reference', 'input_required', `${name} needs a picture.`);
  }
  if (!mode.seconds.allowed.includes(seconds)) {
    return {
      ...refuse('/seconds', 'value_not_allowed', `${name} can't make ${seconds} s.`),
      allowed: mode.seconds.allowed,
    };
  }
  if (!Object.hasOwn(mode.sizes, size)) {
    return { ...refuse('/size', 'value_not_allowed', `${name} can't make ${size}.`), allowed: Object.keys(mode.sizes) };
  }
  for (const field of ['seed', 'negative_prompt', 'audio'] as const) {
    if (request[field] !== undefined && mode[field] === undefined) {
      return refuse(
        `/${field}`,
        'field_not_supported',
        `${name} has no ${field}. Leave it out, or choose another model.`,
      );
    }
  }
  return undefined;
}

function reasonAgainstPrice(price: number | null, settings: PlanSettings, wish: Wish): Refusal | undefined {
  if (price === null) {
    if (!settings.pricesNeeded && wish.maxCostUsd === undefined) return undefined;
    return refuse(
      '/max_cost_usd',
      'price_unknown',
      'The price of this video is unknown, so no cost limit can be kept.',
    );
  }
  if (wish.maxCostUsd === undefined || price <= Math.round(wish.maxCostUsd * 1e6)) return undefined;
  return refuse('/max_cost_usd', 'max_cost_too_low', `This video costs ${(price / 1e6).toFixed(2)} USD.`);
}

/** What one video costs, in millionths of a US dollar; null where the catalogue has no price for its size. */
function priceOf(target: CatalogueTarget, wish: Weighing['wish']): number | null {
  const perSecond = target.price_per_second?.values[wish.size];
  return perSecond === undefined ? null : Math.round(perSecond * wish.seconds * 1e6);
}

interface Fit {
  readonly name: string;
  readonly target: CatalogueTarget;
  readonly mode: TargetMode;
  readonly priceUsdMicros: number | null;
}

function routeTarget({ name, target, mode, priceUsdMicros }: Fit, settings: PlanSettings, wish: Wish): RouteTarget {
  return {
    name,
    provider: target.provider,
    pool: target.pool,
    vendorModel: mode.model,
    typicalMs: target.typical_seconds.value * 1_000,
    longestMs: target.longest_seconds.value * 1_000,
    // Beyond its longest duration a video is not late but lost, however patient its caller is.
    patienceMs: Math.min(wish.patienceSeconds ?? target.patience_seconds, target.longest_seconds.value) * 1_000,
    unknownGraceMs: target.unknown_grace_seconds * 1_000,
    unknownPolicy: target.unknown,
    callbacks: settings.callbacks,
    stoppable: settings.stoppable.has(target.provider),
    priceUsdMicros,
  };
}

function refuse(pointer: string, code: string, message: string): Refusal {
  return { kind: 'refused', pointer, code, message };
}

function unknownModel(catalogue: Catalogue, pointer: string, name: string): Refusal {
  const allowed = Object.keys(catalogue.models);
  return {
    ...refuse(pointer, 'model_not_found', `There is no model called ${JSON.stringify(name.slice(0, 80))}.`),
    allowed,
  };
}
