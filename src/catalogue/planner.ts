import { limits } from '../domain/limits/limits.ts';
import { plan, type PlanResult, type PlanSettings, type Wish } from './plan.ts';
import type { Catalogue } from './schema.ts';

/** The route of a wish, or why there is none. */
export type Planner = (wish: Wish) => PlanResult;

/**
 * A plan that is remembered: wishes that the catalogue can't tell apart get the same answer, which is the same object.
 * Refusals are told anew each time: a caller may name what it likes, and only what can be made is worth keeping.
 */
export function createPlanner(catalogue: Catalogue, settings: PlanSettings): Planner {
  const remembered = new Map<string, PlanResult>();
  const keyOf = keysOf(catalogue);
  return (wish) => {
    const key = keyOf(wish);
    const result = remembered.get(key) ?? plan(catalogue, settings, wish);
    if (result.kind === 'refused') return result;
    // Last in the map, so that the first of it is what nobody has asked for the longest.
    remembered.delete(key);
    remembered.set(key, result);
    if (remembered.size > limits.plansRememberedMax) forgetFirst(remembered);
    return result;
  };
}

function forgetFirst(remembered: Map<string, PlanResult>): void {
  for (const key of remembered.keys()) return void remembered.delete(key);
}

/** All of a wish, but for what a plan does not read: of a text who finds it too long, of a seed that there is one. */
function keysOf({ targets }: Catalogue): (wish: Wish) => string {
  const modes = Object.values(targets).flatMap(({ text, image }) => [text ?? [], image ?? []].flat());
  const promptBounds = modes.map(({ prompt_chars_max: charsMax }) => charsMax);
  const negativeBounds = modes.map(({ negative_prompt_chars_max: charsMax }) => charsMax);
  return ({ request: { prompt, negative_prompt, seed, ...request }, ...wish }) => {
    const texts = [boundsBelow(promptBounds, prompt), boundsBelow(negativeBounds, negative_prompt)];
    return JSON.stringify([request, wish, texts, seed !== undefined]);
  };
}

/** How many bounds a text exceeds; null where there is none. */
function boundsBelow(bounds: readonly (number | undefined)[], text: string | undefined): number | null {
  if (text === undefined) return null;
  return bounds.filter((charsMax) => charsMax !== undefined && charsMax < text.length).length;
}
