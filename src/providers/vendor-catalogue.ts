/**
 * What a vendor says of its own models, for `models:check`: a second, optional port beside `provider.ts`. Not needed to
 * make a video, and nothing here costs money. Throws `ProviderUnreachableError` when there was no readable answer.
 */
export interface VendorCatalogue {
  /** All models of the vendor, by id. Those that can't be read are not among them. */
  models(): Promise<ReadonlyMap<string, VendorModel>>;
  /** What an order with these inputs would cost, in US dollars. Undefined: the vendor quotes no price for it. */
  quote(model: string, input: Readonly<Record<string, unknown>>): Promise<number | undefined>;
}

export interface VendorModel {
  readonly fields: ReadonlyMap<string, VendorField>;
  readonly required: readonly string[];
}

/** One input, as far as its vendor describes it. */
export interface VendorField {
  readonly type?: string | undefined;
  readonly values?: readonly (string | number | boolean)[] | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}
