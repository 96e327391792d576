import { type Bills, type RouteTarget, usualBills } from '../domain/route.ts';
import type { NamedTarget } from './availability.ts';
import { type CatalogueTarget, optionalFields, type TargetMode } from './schema.ts';
import type { FilledWish, PlanSettings } from './wish.ts';

/** Something about a request that one target can't do. */
export type Complaint =
  | { readonly code: 'input_not_supported' | 'input_required'; readonly pointer: '/input_reference' }
  | {
      readonly code: 'value_not_allowed';
      readonly pointer: '/seconds' | '/size';
      readonly allowed: readonly (string | number)[];
    }
  | { readonly code: 'field_not_supported'; readonly pointer: `/${(typeof optionalFields)[number]}` }
  | { readonly code: 'text_too_long'; readonly pointer: '/prompt' | '/negative_prompt'; readonly charsMax: number }
  | { readonly code: 'price_unknown'; readonly pointer: '/max_cost_usd' }
  | { readonly code: 'max_cost_too_low'; readonly pointer: '/max_cost_usd'; readonly priceUsdMicros: number };

export type Weighed =
  | { readonly kind: 'fits'; readonly target: RouteTarget }
  | { readonly kind: 'unfit'; readonly complaints: readonly Complaint[] };

/** Whether a target can make what is wished for, and if not, everything that is in its way. */
export function weigh({ name, target }: NamedTarget, wish: FilledWish, settings: PlanSettings): Weighed {
  const mode = modeOf(target, wish);
  if (mode === undefined) return { kind: 'unfit', complaints: complaintsOfOtherMode(target, wish) };
  const complaints = complaintsOfMode(mode, wish);
  if (complaints.length > 0) return { kind: 'unfit', complaints };

  // The price of what can't be made is no reason.
  const priceUsdMicros = priceOf(target, wish);
  const complaint = complaintOfPrice(priceUsdMicros, wish, settings);
  if (complaint !== undefined) return { kind: 'unfit', complaints: [complaint] };
  return { kind: 'fits', target: routeTarget({ name, target, mode, priceUsdMicros }, wish, settings) };
}

export function modeOf(target: CatalogueTarget, { request }: Pick<FilledWish, 'request'>): TargetMode | undefined {
  return request.hasImage ? target.image : target.text;
}

/** The picture is one too many or is missing; what else would be wrong if it were not counts too. */
function complaintsOfOtherMode(target: CatalogueTarget, wish: FilledWish): readonly Complaint[] {
  const { hasImage } = wish.request;
  const other = hasImage ? target.text : target.image;
  const code = hasImage ? 'input_not_supported' : 'input_required';
  return [{ code, pointer: '/input_reference' }, ...(other === undefined ? [] : complaintsOfMode(other, wish))];
}

function complaintsOfMode(mode: TargetMode, { request, seconds, size }: FilledWish): readonly Complaint[] {
  const complaints: Complaint[] = [];
  if (!mode.seconds.allowed.includes(seconds))
    complaints.push({ code: 'value_not_allowed', pointer: '/seconds', allowed: mode.seconds.allowed });
  if (!Object.hasOwn(mode.sizes, size))
    complaints.push({ code: 'value_not_allowed', pointer: '/size', allowed: Object.keys(mode.sizes) });
  for (const field of optionalFields) {
    if (request[field] !== undefined && mode[field] === undefined)
      complaints.push({ code: 'field_not_supported', pointer: `/${field}` });
  }
  return [...complaints, ...complaintsOfText(mode, request)];
}

/** By the units of UTF-16, of which there are never fewer than characters, however a vendor counts those. */
function complaintsOfText(mode: TargetMode, request: FilledWish['request']): readonly Complaint[] {
  return (['prompt', 'negative_prompt'] as const).flatMap((field) => {
    const charsMax = mode[`${field}_chars_max`] ?? Number.POSITIVE_INFINITY;
    if ((request[field]?.length ?? 0) <= charsMax) return [];
    return [{ code: 'text_too_long', pointer: `/${field}`, charsMax }];
  });
}

function complaintOfPrice(
  priceUsdMicros: number | null,
  { maxCostUsd, ...wish }: FilledWish,
  settings: PlanSettings,
): Complaint | undefined {
  const pointer = '/max_cost_usd';
  if (priceUsdMicros === null)
    return settings.pricesNeeded || wish.pricesNeeded || maxCostUsd !== undefined
      ? { code: 'price_unknown', pointer }
      : undefined;
  if (maxCostUsd === undefined || priceUsdMicros <= Math.round(maxCostUsd * 1e6)) return undefined;
  return { code: 'max_cost_too_low', pointer, priceUsdMicros };
}

/** What one video costs, in millionths of a US dollar; null where the catalogue has no price for its size. */
function priceOf(target: CatalogueTarget, { seconds, size }: FilledWish): number | null {
  const perSecond = target.price_per_second?.values[size];
  return perSecond === undefined ? null : Math.round(perSecond * seconds * 1e6);
}

interface Fit extends NamedTarget {
  readonly mode: TargetMode;
  readonly priceUsdMicros: number | null;
}

function routeTarget(
  { name, target, mode, priceUsdMicros }: Fit,
  wish: FilledWish,
  { providers }: PlanSettings,
): RouteTarget {
  const provider = providers.get(target.provider);
  return {
    name,
    provider: target.provider,
    pool: target.pool,
    vendorModel: mode.model,
    typicalMs: target.typical_seconds.value * 1_000,
    longestMs: target.longest_seconds.value * 1_000,
    // Beyond its longest duration a video is not late but lost, however patient its caller is.
    patienceMs: Math.min(wish.patienceSeconds ?? target.patience_seconds.value, target.longest_seconds.value) * 1_000,
    unknownGraceMs: target.unknown_grace_seconds * 1_000,
    unknownPolicy: target.unknown,
    callbacks: provider?.callbacks ?? false,
    stoppable: provider?.cancelMeans === 'stops',
    priceUsdMicros,
    // Absent means never, and a history is the shorter for it.
    ...(target.moderation === 'elsewhere' && { moderation: target.moderation }),
    ...unusualBills(target.bills),
  };
}

/** Where a target bills as most do it has nothing to say, for the same reason. */
function unusualBills(bills: Partial<Bills> = {}): Pick<RouteTarget, 'bills'> {
  const unusual = billed.filter((end) => bills[end] !== undefined && bills[end] !== usualBills[end]);
  return unusual.length === 0 ? {} : { bills: Object.fromEntries(unusual.map((end) => [end, bills[end]])) };
}

const billed = ['failed', 'refused', 'cancelled', 'abandoned'] as const;
