/** A process that starts a Temporal server and lives until it is killed. */
import { startDevServer } from '../../src/embedded/temporal.ts';

const [cliPath = '', databaseFile = ''] = process.argv.slice(2);
const { address, pid } = await startDevServer({ cliPath, databaseFile, searchAttributes: {}, log: () => undefined });
process.stdout.write(`${address} ${pid}\n`);
setInterval(() => undefined, 60_000);
