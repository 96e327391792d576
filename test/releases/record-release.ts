import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '../../src/db/migrate.ts';
import { createPool } from '../../src/db/pool.ts';
import { startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { statementSeparator, takeSnapshot, unprepared } from './snapshot.ts';

/**
 * Run by hand when a release is made; docs/upgrades.md says how. Takes the release's name and the folder into which
 * `record-statements.ts` has written, migrates an empty database, and keeps what a later one has to leave as it is.
 */
const [release, statementsDirectory] = process.argv.slice(2);
if (release === undefined || statementsDirectory === undefined)
  throw new Error('Name a release and the folder with its statements.');

const directory = await makeTestDirectory();
const postgres = await startEmbeddedPostgres({ directory: join(directory, 'postgres'), relaxed: true, log: () => {} });
const pool = createPool({ url: postgres.url, connectionsMax: 1, name: 'record', onError: () => {} });
try {
  await migrate({ url: postgres.url, directory: join(import.meta.dirname, '../../migrations'), log: () => {} });
  const folder = join(import.meta.dirname, release);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'schema.json'), `${JSON.stringify(await takeSnapshot(pool), null, 2)}\n`);
  const statements = await readStatements(statementsDirectory);
  await writeFile(join(folder, 'statements.sql'), `${statements.join(statementSeparator)}\n`);
  process.stdout.write(`${statements.length} statements\n`);
} finally {
  await pool.end();
  await postgres.stop();
  await rm(directory, { recursive: true, force: true });
}

/** Those that can be prepared: BEGIN and LISTEN are the same for ever. */
async function readStatements(from: string): Promise<readonly string[]> {
  const texts = await Promise.all((await readdir(from)).map((file) => readFile(join(from, file), 'utf8')));
  const asked = texts.map(straighten).filter((text) => /^(WITH|SELECT|INSERT|UPDATE|DELETE|MERGE)\b/.test(text));
  const distinct = [...new Set(asked)].toSorted();
  const refused: string[] = [];
  for (const text of distinct) if ((await unprepared(pool, [text])).length > 0) refused.push(text);
  for (const text of refused) process.stdout.write(`left out: ${text.slice(0, 200)}\n`);
  return distinct.filter((text) => !refused.includes(text));
}

/** How far a line was indented in the source is not of interest. */
function straighten(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .join('\n')
    .trim();
}
