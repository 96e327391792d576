/** A process that starts Temporal's own server and lives until it is killed. */
import { startTemporalServer } from '../../src/embedded/temporal-server.ts';

const [server = '', sqlTool = '', postgresUrl = '', directory = ''] = process.argv.slice(2);
const options = { programs: { server, sqlTool }, postgresUrl, directory, searchAttributes: {}, log: () => undefined };
const { address, pid } = await startTemporalServer(options);
process.stdout.write(`${address} ${pid}\n`);
setInterval(() => undefined, 60_000);
