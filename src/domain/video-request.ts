import type { Priority } from './job.ts';

/** What a caller asked for, parsed. Personal: it is kept in one column that delete empties, and enters no history. */
export interface VideoRequest {
  readonly prompt: string;
  readonly model: string;
  readonly seconds: number;
  /** Pixels, width by height, for example `1280x720`. */
  readonly size: string;
  readonly negative_prompt?: string;
  readonly seed?: number;
  readonly audio?: boolean;
  readonly user?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly max_cost_usd?: number;
  /** Whom to tell of this job alone. It is kept here and nowhere else, so that it is erased with the rest. */
  readonly webhook_url?: string;
  /** What was asked for, where a retired model's request is served by another one. */
  readonly requested?: Requested;
}

/** A wish as it came, where it is not what is served. What the caller left to us is absent. */
export interface Requested {
  readonly model: string;
  readonly seconds?: number;
  readonly size?: string;
}
