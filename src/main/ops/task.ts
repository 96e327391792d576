import type { Client } from '@temporalio/client';
import type pg from 'pg';
import type { Config } from '../../config.ts';
import type { OpsFlags } from './options.ts';

/** One command of `npm run ops`, with what it was given. */
export interface OpsTask {
  readonly pool: pg.Pool;
  /** Connects when it is asked for the first time: what Postgres knows can be asked while Temporal is away. */
  readonly temporal: () => Promise<Client>;
  readonly config: Config;
  /** What follows the command's name. */
  readonly operands: readonly string[];
  readonly flags: OpsFlags;
  /** What was asked for: standard output. */
  readonly say: (line: string) => void;
  /** What is to be said about it: standard error. */
  readonly note: (line: string) => void;
}

/** Returns the exit code. */
export type OpsCommand = (task: OpsTask) => Promise<number>;
