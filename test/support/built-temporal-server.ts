import {
  findTemporalServer,
  provideTemporalServer,
  type TemporalServerPrograms,
} from '../../src/embedded/temporal-server-programs.ts';
import { cacheDirectory } from './servers.ts';

/**
 * Temporal's own server where it is built already. No suite builds it by itself, for that takes Go and five minutes:
 * SPILLWAY_BUILD_TEMPORAL says that it may.
 */
export async function builtTemporalServer(): Promise<TemporalServerPrograms | undefined> {
  const { PATH: searchPath = '', SPILLWAY_BUILD_TEMPORAL } = process.env;
  const log = (message: string) => void process.stderr.write(`${message}\n`);
  if (SPILLWAY_BUILD_TEMPORAL) return await provideTemporalServer({ cacheDirectory, searchPath, log });
  const programs = await findTemporalServer(cacheDirectory);
  if (!programs)
    log("Tests on Temporal's own server are skipped: it is not built. Set SPILLWAY_BUILD_TEMPORAL=1 once.");
  return programs;
}
