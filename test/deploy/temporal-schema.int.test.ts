import { readFileSync } from 'node:fs';
import { rm, symlink, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { readPostgresUrl } from '../../src/embedded/temporal-server-config.ts';
import { builtTemporalServer } from '../support/built-temporal-server.ts';
import { makeTestDirectory } from '../support/servers.ts';

const run = promisify(execFile);
const programs = await builtTemporalServer();

const service = z.object({
  entrypoint: z.tuple([z.string(), z.string()]),
  command: z.tuple([z.string()]),
  environment: z.record(z.string(), z.coerce.string()),
});
const { entrypoint, command, environment } = z
  .object({ services: z.object({ 'temporal-schema': service }) })
  .parse(parse(readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8'), { merge: true })).services[
  'temporal-schema'
];

/** The script of the compose file, with the tool of the release that its image has. */
describe.skipIf(programs === undefined)('the schema of Temporal in compose', () => {
  let directory: string;
  let postgres: RunningPostgres;

  beforeAll(async () => {
    directory = await makeTestDirectory();
    postgres = await startEmbeddedPostgres({
      directory: join(directory, 'postgres'),
      relaxed: true,
      log: () => undefined,
    });
    await mkdir(join(directory, 'bin'));
    await symlink(programs?.sqlTool ?? '', join(directory, 'bin/temporal-sql-tool'));
  });

  afterAll(async () => {
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function apply(): Promise<void> {
    const { host, port, user, password } = readPostgresUrl(postgres.url);
    const access = { SQL_HOST: host, SQL_PORT: port, SQL_USER: user, SQL_PASSWORD: password };
    const env = { ...environment, ...access, PATH: `${join(directory, 'bin')}:${process.env['PATH']}` };
    // Compose writes a dollar twice.
    const script = command[0].replaceAll('$$', '$');
    await run(entrypoint[0], [entrypoint[1], script], { env, timeout: 100_000 });
  }

  const versionOf = async (database: string): Promise<string> => {
    const url = new URL(postgres.url);
    url.pathname = database;
    const client = new Client({ connectionString: url.href });
    await client.connect();
    try {
      const { rows } = await client.query<{ version: string }>('SELECT curr_version AS version FROM schema_version');
      return rows[0]?.version ?? '';
    } finally {
      await client.end();
    }
  };

  test('is made by the first start, and left as it is by the next', async () => {
    await apply();
    const versions = [await versionOf('temporal'), await versionOf('temporal_visibility')];
    for (const version of versions) expect(version).toMatch(/^1\.\d+$/);
    await apply();
    expect([await versionOf('temporal'), await versionOf('temporal_visibility')]).toEqual(versions);
  }, 250_000);
});
