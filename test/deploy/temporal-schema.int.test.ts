import { readFileSync } from 'node:fs';
import { rm, symlink, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type RunningPostgres, startEmbeddedPostgres } from '../../src/embedded/postgres.ts';
import { readPostgresUrl } from '../../src/embedded/temporal-server-config.ts';
import { builtTemporalServer } from '../support/built-temporal-server.ts';
import { findFreePorts } from '../support/processes.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { until } from '../support/until.ts';

const run = promisify(execFile);
const programs = await builtTemporalServer();

const service = z.object({
  entrypoint: z.tuple([z.string(), z.string()]),
  command: z.tuple([z.string()]),
  environment: z.record(z.string(), z.coerce.string()),
});
const { services } = z
  .object({
    services: z.object({ 'temporal-schema': service, 'temporal-server': service.pick({ environment: true }) }),
  })
  .parse(parse(readFileSync(join(import.meta.dirname, '../../docker-compose.yml'), 'utf8'), { merge: true }));
const { entrypoint, command, environment } = services['temporal-schema'];

const serverPorts = ['FRONTEND', 'MATCHING', 'HISTORY', 'WORKER']
  .flatMap((part) => [`${part}_GRPC_PORT`, `${part}_MEMBERSHIP_PORT`])
  .concat('FRONTEND_HTTP_PORT');

/** Whether it serves or has ended: undefined while it does neither. */
async function outcomeOf(address: string, { exitCode }: ChildProcess): Promise<string | undefined> {
  if (exitCode !== null) return `it ended with ${exitCode}`;
  try {
    await (await Connection.connect({ address, connectTimeout: 1_000 })).close();
    return 'it serves';
  } catch {
    return undefined;
  }
}

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

  test('is what the server starts on, with the settings that compose has for it', async () => {
    await apply();
    const { host, port, user, password } = readPostgresUrl(postgres.url);
    const ports = await findFreePorts(serverPorts);
    const env = {
      PATH: process.env['PATH'],
      ...services['temporal-server'].environment,
      POSTGRES_SEEDS: host,
      DB_PORT: port,
      POSTGRES_USER: user,
      POSTGRES_PWD: password,
      BIND_ON_IP: '127.0.0.1',
      // Our machine is small, and holds other servers.
      NUM_HISTORY_SHARDS: '4',
      ...Object.fromEntries(serverPorts.map((name) => [name, String(ports[name])])),
    };
    const server = spawn(programs?.server ?? '', ['start'], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let told = '';
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (chunk: Buffer) => void (told = `${told}${String(chunk)}`.slice(-10_000)));
    try {
      const address = `127.0.0.1:${ports['FRONTEND_GRPC_PORT']}`;
      const outcome = await until('Temporal serves', () => outcomeOf(address, server), { withinMs: 120_000 });
      expect({ outcome, told: outcome === 'it serves' ? '' : told }).toEqual({ outcome: 'it serves', told: '' });
    } finally {
      server.kill('SIGKILL');
    }
  }, 200_000);
});
