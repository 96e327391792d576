import type { StuckCause } from '../domain/stuck.ts';

/**
 * What operators find jobs by in Temporal UI, beside Temporal's own. Ids and words of ours: values of search attributes are
 * never encrypted. One that is not registered fails every start, so `migrate` registers them and a worker checks at boot.
 */
export const searchAttributeTypes = {
  /** Who asked for the job. */
  Tenant: 'Keyword',
  /** The public name of the model. */
  VideoModel: 'Keyword',
  /** Whose target the job waits for or runs at, as of its start or of its last upsert. */
  VideoProvider: 'Keyword',
  /** Why it is stuck (domain/stuck.ts). Absent: it is not. */
  StuckCause: 'Keyword',
} as const;

/** As a start, or an upsert, has them. Null takes one away. */
export interface JobSearchAttributes {
  readonly Tenant?: string;
  readonly VideoModel?: string;
  readonly VideoProvider?: string;
  readonly StuckCause?: StuckCause | null;
}
