/** A process that starts a Postgres and lives until it is killed. */
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts';

const [directory = ''] = process.argv.slice(2);
const { url, pid } = await startEmbeddedPostgres({ directory, log: () => undefined });
process.stdout.write(`${url} ${pid}\n`);
setInterval(() => undefined, 60_000);
