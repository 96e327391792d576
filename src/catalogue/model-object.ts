/** A model as `GET /v1/models` tells of it: OpenAI's four fields first, our own after them. */
export interface ModelObject {
  readonly id: string;
  readonly object: 'model';
  /** Unix seconds of the day on which it came into the catalogue. */
  readonly created: number;
  readonly owned_by: string;
  /** `unavailable`: no provider that makes it has a key here. */
  readonly status: 'active' | 'retired' | 'unavailable';
  readonly retired: RetirementObject | null;
  /** Where a request goes when the model's own targets can't serve it. */
  readonly fallbacks: readonly string[];
  /** How long a job waits in line at one target before another that has room may serve it. Null: for ever. */
  readonly spill_after_seconds: number | null;
  readonly inputs: readonly InputKind[];
  /** What may be asked for without a picture and with one: what the model's targets allow together. */
  readonly text: ModeObject | null;
  readonly image: ModeObject | null;
  readonly targets: readonly TargetObject[];
}

export type InputKind = 'text' | 'image';

export interface RetirementObject extends ProvenanceObject {
  readonly since: string;
  readonly why: string;
  /** `redirect`: its fallbacks serve in its place, and the answer says so. */
  readonly policy: 'redirect' | 'refuse';
  /** What a length is rounded up to. Null: the next that its fallbacks make. */
  readonly seconds: readonly number[] | null;
  /** What is served in the place of a size that none of its fallbacks makes, the most preferred first. */
  readonly sizes: Readonly<Record<string, readonly string[]>>;
}

export interface ModeObject {
  readonly seconds: readonly number[];
  readonly sizes: readonly string[];
  readonly prompt_chars_max: number;
  /** Null: there is no such field. */
  readonly negative_prompt_chars_max: number | null;
  /** The optional fields that there is a word for. */
  readonly fields: readonly string[];
}

/** What one target can make, by the name that its provider has for it. A request is sent only to those that can. */
export interface TargetModeObject extends ModeObject {
  readonly vendor_model: string;
}

/** Where a figure is known from. `assumed`: nobody has said it, and it is our guess. */
export interface ProvenanceObject {
  readonly source: string | null;
  readonly as_of: string | null;
  readonly assumed: boolean;
}

export interface FigureObject extends ProvenanceObject {
  readonly value: number;
}

export interface TargetObject {
  readonly name: string;
  readonly provider: string;
  /** Whether this deployment has a key for it. */
  readonly available: boolean;
  /** Its own limits, within those of its account. Null: none. */
  readonly limits: TargetLimitsObject | null;
  readonly text: TargetModeObject | null;
  readonly image: TargetModeObject | null;
  /** Where the names and the values of the vendor's fields are known from. */
  readonly inputs: ProvenanceObject;
  /** Null: the price is unknown. A size without a price has an unknown one. */
  readonly price_per_second: PriceObject | null;
  readonly typical_seconds: FigureObject;
  readonly longest_seconds: FigureObject;
  /** How long one target is waited for before the next may try as well. */
  readonly patience_seconds: FigureObject;
  /** Whether the provider tells us of the end. Null where it is not available. */
  readonly callbacks: boolean | null;
  /** What a cancel does there: end work and cost, drop the record only, or nothing. */
  readonly cancel: 'stops' | 'forgets' | 'none' | null;
  /** Whether a refusal on content policy may be taken to the next target. */
  readonly moderation: 'never' | 'elsewhere';
}

/** Null: the account's alone. */
export interface TargetLimitsObject {
  readonly outstanding: number | null;
  readonly per_minute: number | null;
}

export interface PriceObject extends ProvenanceObject {
  readonly currency: 'USD';
  readonly values: Readonly<Record<string, number>>;
}
