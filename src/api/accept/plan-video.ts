import type { PlanResult, Wish } from '../../catalogue/plan.ts';
import type { AppDeps } from '../deps.ts';
import { present } from '../present.ts';
import { Problem } from '../problems/problem.ts';
import type { VideoWish } from '../schemas.ts';

export type Planned = Extract<PlanResult, { kind: 'planned' }>;

/** The route of a wish by the catalogue, or the problem that it has with it. */
export function planVideo(
  app: Pick<AppDeps, 'plan' | 'defaultModel'>,
  wish: VideoWish,
  circumstances: Circumstances,
): Planned {
  const result = app.plan(catalogueWish(wish, { model: wish.model ?? app.defaultModel, ...circumstances }));
  if (result.kind === 'planned') return result;
  const { pointer, message, allowed, code } = result;
  const error = { pointer, message, ...(allowed && { allowed }) };
  const detail = allowed ? `${message} Allowed: ${allowed.join(', ')}.` : message;
  throw new Problem('value_not_supported', { detail, code, errors: [error] });
}

interface Circumstances {
  readonly hasImage: boolean;
  /** Its tenant has a budget, which an unknown price can't be shown to keep. */
  readonly pricesNeeded: boolean;
}

function catalogueWish(wish: VideoWish, chosen: Circumstances & { readonly model: string }): Wish {
  const { model, hasImage, pricesNeeded } = chosen;
  const { prompt, seconds, size, seed, negative_prompt, audio } = wish;
  return {
    request: { model, hasImage, prompt, ...present({ seconds, size, seed, negative_prompt, audio }) },
    fallback: wish.fallback,
    // Absent where it is not so: most wishes are remembered without it.
    ...(pricesNeeded && { pricesNeeded }),
    ...present({ patienceSeconds: wish.patience_seconds, maxCostUsd: wish.max_cost_usd }),
  };
}
