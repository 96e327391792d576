import { findBackends } from './embed.ts';
import type { Setting } from './start.ts';
import type { Started } from './stop.ts';

const aliveMs = 60_000;

/**
 * Temporal's own server and the embedded Postgres below it, and nothing else: for an API and workers in processes of
 * their own, and for figures that the dev server on SQLite can't give.
 */
export async function temporalPostgres(setting: Setting, started: Started): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const { temporal } = setting.config;
  // Whatever is configured: who runs this command asks for servers of its own.
  const config = { ...setting.config, databaseUrl: undefined, temporal: { ...temporal, address: undefined } };
  const backends = await findBackends({ ...setting, config, temporalServer: 'postgres' }, started);
  say('Temporal on Postgres is up, without a UI. For the other commands, in another terminal:');
  say(`  export TEMPORAL_ADDRESS=${backends.temporalAddress}`);
  say(`  export DATABASE_URL=${backends.databaseUrl}`);
  say('Ctrl-C stops both; what they hold is there again at the next start.');
  // The servers are processes of their own, and nothing else would keep this one alive.
  const alive = setInterval(() => undefined, aliveMs);
  await setting.stopped;
  clearInterval(alive);
  return 0;
}
