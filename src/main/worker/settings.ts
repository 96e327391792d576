import type { Logger } from 'pino';
import type { Catalogue } from '../../catalogue/schema.ts';
import type { Config, Secrets } from '../../config.ts';
import type { TemporalSettings } from '../temporal/connection.ts';
import type { Vendors } from '../vendors/vendors.ts';

export interface WorkerSettings {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly databaseUrl: string;
  readonly temporal: TemporalSettings;
  readonly catalogue: Catalogue;
  readonly vendors: Vendors;
  readonly publicUrl: string | undefined;
  readonly log: Logger;
}
