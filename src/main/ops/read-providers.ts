import pino from 'pino';
import { type Config, readConfig } from '../../config.ts';
import type { VideoProvider } from '../../providers/provider.ts';
import { readCatalogue } from '../start.ts';

/** Every vendor that there is a key for, as a worker asks it. */
export async function readProviders(config: Config): Promise<ReadonlyMap<string, VideoProvider>> {
  const { secrets } = readConfig();
  const { vendors } = await readCatalogue({
    config,
    secrets,
    log: pino({ level: 'silent' }),
    stopped: Promise.resolve(),
  });
  return vendors.providers;
}
