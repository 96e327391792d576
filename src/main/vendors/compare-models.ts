import { everyInput } from '../../catalogue/every-input.ts';
import type { CatalogueTarget, TargetMode } from '../../catalogue/schema.ts';
import type { VendorField, VendorModel } from '../../providers/vendor-catalogue.ts';

/** Where a target's words and its vendor's own description of the model part ways, each said once. */
export function differencesOfInput(mode: TargetMode, model: VendorModel | undefined): readonly string[] {
  if (model === undefined) return ['the vendor has no such model'];
  const differences = everyInput(mode).flatMap(({ input }) => [
    ...model.required.filter((name) => !(name in input)).map((name) => `${name} is required, and not always sent`),
    ...Object.entries(input).flatMap((entry) => differenceOfField(model, entry) ?? []),
  ]);
  return [...new Set(differences)];
}

function differenceOfField({ fields }: VendorModel, [name, value]: readonly [string, unknown]): string | undefined {
  const field = fields.get(name);
  if (field === undefined) return `there is no field ${name}`;
  const wrong = wrongType(field, value) ?? wrongValue(field, value);
  return wrong && `${name}: ${JSON.stringify(value)} ${wrong}`;
}

function wrongType({ type }: VendorField, value: unknown): string | undefined {
  const is = typeof value;
  const expected = type === 'integer' ? 'number' : type;
  if (expected === undefined || !['string', 'number', 'boolean'].includes(expected)) return undefined;
  return is === expected ? undefined : `is a ${is}, and the vendor wants ${type}`;
}

function wrongValue({ values, min = -Infinity, max = Infinity }: VendorField, value: unknown): string | undefined {
  if (values !== undefined && !values.some((allowed) => allowed === value)) return `is not one of ${values.join(', ')}`;
  if (typeof value !== 'number' || (value >= min && value <= max)) return undefined;
  return `is not between ${min} and ${max}`;
}

/** An order whose price is to be quoted. */
export interface PricedOrder {
  readonly size: string;
  readonly seconds: number;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The shortest and the longest video of every size: a price that is not in proportion shows between them. */
export function ordersToQuote(mode: TargetMode): readonly PricedOrder[] {
  const ends = [Math.min(...mode.seconds.allowed), Math.max(...mode.seconds.allowed)];
  return everyInput(mode).filter(({ full, seconds }) => !full && ends.includes(seconds));
}

/** Cents that come of rounding are no difference. */
const toleratedShare = 0.01;

/** How a quote and the catalogue's price part ways, if they do. `quoted` is in US dollars. */
export function differenceOfPrice(
  target: CatalogueTarget,
  { size, seconds }: PricedOrder,
  quoted: number | undefined,
): string | undefined {
  const order = `${size}, ${seconds} s`;
  const perSecond = target.price_per_second?.values[size];
  if (quoted === undefined) return `${order}: the vendor quotes no price`;
  if (perSecond === undefined) return `${order}: the catalogue has no price, the vendor asks ${quoted.toFixed(3)} USD`;
  const ours = perSecond * seconds;
  if (Math.abs(quoted - ours) <= quoted * toleratedShare) return undefined;
  return `${order}: the catalogue says ${ours.toFixed(3)} USD, the vendor asks ${quoted.toFixed(3)}`;
}
