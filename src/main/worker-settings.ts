import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Config } from '../config.ts';
import type { TemporalSettings } from './temporal.ts';
import type { Vendors } from './vendors.ts';

export interface WorkerSettings {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  readonly catalogue: Catalogue;
  readonly vendors: Vendors;
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}
