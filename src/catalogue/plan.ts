import { assert } from '../domain/assert.ts';
import { limits } from '../domain/limits/limits.ts';
import type { Route } from '../domain/route.ts';
import type { Requested } from '../domain/video-request.ts';
import { availableTargets, findModel, type NamedTarget } from './availability.ts';
import { modelNotFound, modelNotSetUp, modelRetired, refusalOf } from './refusal.ts';
import { insteadOf, type Retirement } from './retired.ts';
import type { Catalogue } from './schema.ts';
import { modeOf, weigh } from './weigh.ts';
import type { FilledWish, PlanResult, PlanSettings, Refusal, Wish } from './wish.ts';

export { type PlanResult, type PlanSettings, refusalCodes, type Wish } from './wish.ts';

const defaultSeconds = 5;
const defaultSize = '1280x720';

/**
 * The ordered targets that can make a request, as a route to keep with the job. A target that can't express the request
 * is left out; when none is left, the answer says what would have to change, and what all of them together allow.
 */
export function plan(catalogue: Catalogue, settings: PlanSettings, wish: Wish): PlanResult {
  const planning: Planning = { catalogue, settings };
  const { model, seconds = defaultSeconds, size = defaultSize } = wish.request;
  const entry = findModel(catalogue, model);
  if (entry === undefined) return modelNotFound(planning, { pointer: '/model', name: model });
  const refusal = reasonAgainstList(planning, wish);
  if (refusal !== undefined) return refusal;

  const fallbacks = wish.fallback === 'auto' ? entry.fallbacks : wish.fallback === 'none' ? [] : wish.fallback;
  const filled = { ...wish, seconds, size };
  if (entry.retired === undefined) return planModels(planning, [model, ...fallbacks], filled);
  if (entry.retired.policy === 'refuse' || fallbacks.length === 0)
    return modelRetired({ pointer: '/model', name: model, entry });
  const instead = planInstead(planning, { retired: entry.retired, fallbacks, wish: filled });
  return instead.kind === 'refused' ? instead : { ...instead, requested: requestedOf(wish) };
}

interface Planning {
  readonly catalogue: Catalogue;
  readonly settings: PlanSettings;
}

/** A caller's own list of fallbacks has to be of models that are there. */
function reasonAgainstList(planning: Planning, { fallback }: Wish): Refusal | undefined {
  if (typeof fallback === 'string') return undefined;
  for (const [index, name] of fallback.entries()) {
    const pointer = `/fallback/${index}`;
    const entry = findModel(planning.catalogue, name);
    if (entry === undefined) return modelNotFound(planning, { pointer, name });
    if (entry.retired !== undefined) return modelRetired({ pointer, name, entry });
  }
  return undefined;
}

function planModels(planning: Planning, models: readonly string[], wish: FilledWish): PlanResult {
  const candidates = candidatesOf(planning, models);
  if (candidates.length === 0) return modelNotSetUp(planning, wish.request.model);
  const weighed = candidates.map((candidate) => weigh(candidate, wish, planning.settings));
  const route = weighed.flatMap((result) => (result.kind === 'fits' ? [result.target] : []));
  if (route.length === 0) return refusalOf(weighed, wish);
  const { request, seconds, size } = wish;
  const kept = withSpill(planning, models, route.slice(0, limits.targetsOfRouteMax));
  return { kind: 'planned', route: kept, model: request.model, seconds, size };
}

/** How long a job waits in line is its model's word, at whichever target. Where there is no other, it waits. */
function withSpill({ catalogue }: Planning, models: readonly string[], route: Route): Route {
  const [first = ''] = models;
  const spillAfterSeconds = findModel(catalogue, first)?.spill_after_seconds;
  if (spillAfterSeconds === undefined || route.length < 2) return route;
  return route.map((target) => ({ ...target, spillAfterMs: spillAfterSeconds * 1_000 }));
}

/** The targets of the models, in their order and each once. */
function candidatesOf({ catalogue, settings }: Planning, models: readonly string[]): readonly NamedTarget[] {
  const entries = models.flatMap((name) => findModel(catalogue, name) ?? []);
  const targets = entries.flatMap((entry) => availableTargets(catalogue, settings.providers, entry));
  return [...new Map(targets.map((target) => [target.name, target])).values()];
}

interface Redirection {
  readonly retired: Retirement;
  readonly fallbacks: readonly string[];
  readonly wish: FilledWish;
}

/** The first that can be made of what takes the place of a retired model's video; else why not even the last can. */
function planInstead(planning: Planning, { retired, fallbacks, wish }: Redirection): PlanResult {
  const lengths = candidatesOf(planning, fallbacks).flatMap(
    ({ target }) => modeOf(target, wish)?.seconds.allowed ?? [],
  );
  const results = insteadOf(wish, retired, lengths).map((one) => planModels(planning, fallbacks, one));
  const result = results.find(({ kind }) => kind === 'planned') ?? results.at(-1);
  assert(result !== undefined, 'a wish became nothing');
  if (result.kind === 'refused') return result;
  return { ...result, model: servingModel(planning, fallbacks, result.route) };
}

/** The model of the route's first target. */
function servingModel({ catalogue }: Planning, models: readonly string[], [first]: Route): string {
  const serves = (name: string): boolean => findModel(catalogue, name)?.targets.includes(first?.name ?? '') ?? false;
  return models.find(serves) ?? '';
}

function requestedOf({ request: { model, seconds, size } }: Wish): Requested {
  return { model, ...(seconds !== undefined && { seconds }), ...(size !== undefined && { size }) };
}
