import type { Pool } from 'pg';
import type { AdminFlags } from './options.ts';

/** What a command works with. */
export interface AdminTask {
  readonly pool: Pool;
  /** What follows the command. */
  readonly subject: string | undefined;
  readonly flags: AdminFlags;
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
}
