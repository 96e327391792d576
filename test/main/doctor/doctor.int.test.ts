import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { Client as PgClient } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { noteReading } from '../../../src/db/mailbox/callback-readings.ts';
import { doctor } from '../../../src/main/doctor/doctor.ts';
import { createSimulator, type RunningSimulator } from '../../../src/simulator/simulator.ts';
import { type ApiBench, openApiBench } from '../../api/api-bench.ts';
import { deadOrigin, stubVendor } from '../../providers/stub-vendor.ts';
import { createTestDatabase } from '../../support/database.ts';
import { makeTestDirectory } from '../../support/servers.ts';
import { createBareNamespace, createNamespace } from '../../support/temporal-namespace.ts';

const base64 = Buffer.alloc(32, 7).toString('base64');
let directory: string;
let bench: ApiBench;
let simulator: RunningSimulator;
let connection: Connection;
let namespace: string;
let now = Date.now();
beforeAll(async () => {
  const address = inject('temporalAddress');
  directory = await makeTestDirectory();
  await mkdir(join(directory, 'data'), { recursive: true });
  connection = await Connection.connect({ address });
  namespace = await createNamespace(connection, address);
  // Each question a second after the one before, as far as the limit on answers is concerned.
  bench = await openApiBench({ clock: () => (now += 1_000) });
  simulator = await createSimulator({
    seed: 1,
    tier: 'ultra',
    timeScale: 0.01,
    webhookSecret: 'whsec_x',
    apiKey: 'simulated',
  }).listen();
});
afterAll(async () => {
  await Promise.all([bench.close(), simulator.close(), connection.close()]);
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  now = Date.now();
});

const resultsSchema = z.array(
  z.object({
    name: z.string(),
    verdict: z.enum(['ok', 'warn', 'fail']),
    sentence: z.string(),
    advice: z.string().optional(),
  }),
);
type Verdict = z.infer<typeof resultsSchema>[number];

interface Examined {
  readonly code: number;
  readonly find: (name: string) => Verdict;
  readonly text: string;
}

/** The doctor on a deployment in which all is well, but for what a test changes. */
async function examine(change: Record<string, string> = {}, only = ''): Promise<Examined> {
  const lines: string[] = [];
  const environment = {
    DATABASE_URL: bench.database.url,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: namespace,
    PUBLIC_URL: bench.url,
    SIMULATOR_URL: simulator.origin,
    DATA_DIRECTORY: join(directory, 'data'),
    ENCRYPTION_KEYS: `k1:${base64}`,
    WAVESPEED_WEBHOOK_SECRET: 'whsec_canary',
    ...change,
  };
  const say = (line: string): void => void lines.push(line);
  const code = await doctor(['--json', '--only', only], { say, note: say, environment });
  const text = lines.join('\n');
  const results = resultsSchema.parse(JSON.parse(text));
  return {
    code,
    text,
    find(name) {
      const found = results.find((result) => result.name === name);
      if (found === undefined) throw new Error(`no check is called ${name}: ${text}`);
      return found;
    },
  };
}

test('what is well is said to be, and no secret with it', async () => {
  const { find, text } = await examine();
  const well = [
    'versions',
    'configuration',
    'database',
    'schema',
    'clock of the database',
    'callbacks',
    'Temporal',
    'namespace',
  ];
  for (const name of [
    ...well,
    'search attributes',
    'clock of Temporal',
    'object store',
    'encryption',
    'provider wavespeed',
    'provider fal',
  ])
    expect(find(name)).toMatchObject({ name, verdict: 'ok' });
  expect(find('provider replicate').verdict).toBe('ok');
  expect(find('provider runway').verdict).toBe('ok');
  expect(text).not.toMatch(/canary/);
  expect(text).not.toContain(base64);
});

test('without a worker nobody serves the task queues', async () => {
  const { code, find } = await examine({}, 'workers');
  expect(code).toBe(1);
  expect(find('workers')).toMatchObject({
    verdict: 'fail',
    sentence: expect.stringContaining('activities of spillway-checks'),
  });
});

describe('the database', () => {
  test('that is away fails what needs it, and nothing else', async () => {
    const { find } = await examine({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    for (const name of ['database', 'schema', 'clock of the database', 'callbacks', 'last callbacks'])
      expect(find(name)).toMatchObject({ verdict: 'fail', advice: expect.stringMatching(/\w/) });
    expect(find('Temporal').verdict).toBe('ok');
  });

  test('of an older release is to be migrated', async () => {
    const old = await createTestDatabase();
    await old.pool.query(`DELETE FROM spillway_migrations WHERE id = (SELECT max(id) FROM spillway_migrations)`);
    const { find } = await examine({ DATABASE_URL: old.url }, 'schema');
    expect(find('schema')).toMatchObject({ verdict: 'fail', advice: expect.stringContaining('npm run migrate') });
    await old.drop();
  });

  test('whose clock is another is named', async () => {
    const late = await createTestDatabase();
    const client = new PgClient({ connectionString: late.url });
    await client.connect();
    await client.query(`CREATE SCHEMA late`);
    await client.query(
      `CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.clock_timestamp() - interval '90 s' $$`,
    );
    const name = new URL(late.url).pathname.slice(1);
    await client.query(`ALTER DATABASE "${name}" SET search_path = late, pg_catalog, public`);
    await client.end();
    const { find } = await examine({ DATABASE_URL: late.url }, 'database');
    expect(find('clock of the database')).toMatchObject({
      verdict: 'fail',
      sentence: expect.stringMatching(/(89|90)\.\d s behind/),
    });
    await late.drop();
  });
});

describe('callbacks', () => {
  test('that reach another deployment are not ours', async () => {
    const other = await openApiBench();
    const { find } = await examine({ PUBLIC_URL: other.url }, 'callbacks');
    expect(find('callbacks')).toMatchObject({ verdict: 'fail', sentence: expect.stringContaining('status 404') });
    await other.close();
  });

  test.each([
    ['a page that answers everything', (answer: string) => ({ status: 200, body: answer }), /not this deployment/],
    ['a redirect', () => ({ status: 302, body: '' }), /status 302/],
    ['a door', () => ({ status: 403, body: 'no' }), /status 403/],
  ])('that end at %s are found out', async (_what, reply, sentence) => {
    const { origin } = await stubVendor((response) => {
      const { status, body } = reply('{"answer":"yes"}');
      response.writeHead(status, { location: bench.url }).end(body);
    });
    const { find } = await examine({ PUBLIC_URL: origin }, 'callbacks');
    expect(find('callbacks')).toMatchObject({ verdict: 'fail', sentence: expect.stringMatching(sentence) });
  });

  test('that reach nobody are polled for, and so are those without a place', async () => {
    const { find } = await examine({ PUBLIC_URL: await deadOrigin() }, 'callbacks');
    expect(find('callbacks').verdict).toBe('fail');
    const nowhere = await examine({ PUBLIC_URL: '' }, 'callbacks');
    expect(nowhere.find('callbacks')).toMatchObject({
      verdict: 'warn',
      sentence: expect.stringContaining('PUBLIC_URL'),
    });
  });

  test('are judged by the last one of each provider', async () => {
    const { pool } = bench.database;
    expect((await examine({}, 'last callbacks')).find('last callbacks').verdict).toBe('ok');
    await noteReading(pool, { provider: 'wavespeed', reading: 'report' });
    expect((await examine({}, 'last callbacks')).find('last callbacks')).toMatchObject({
      verdict: 'ok',
      sentence: expect.stringContaining('signed and right'),
    });
    await noteReading(pool, { provider: 'replicate', reading: 'unsigned' });
    expect((await examine({}, 'last callbacks')).find('last callbacks')).toMatchObject({
      verdict: 'warn',
      advice: expect.stringContaining('replicate'),
    });
    await noteReading(pool, { provider: 'wavespeed', reading: 'forged' });
    const { code, find } = await examine({}, 'last callbacks');
    expect(code).toBe(1);
    expect(find('last callbacks')).toMatchObject({
      verdict: 'fail',
      sentence: expect.stringMatching(/wavespeed's of .* had a wrong signature, the last right one came/),
      advice: expect.stringContaining('webhook secret of wavespeed'),
    });
    await noteReading(pool, { provider: 'wavespeed', reading: 'report' });
    expect((await examine({}, 'last callbacks')).find('last callbacks').verdict).toBe('warn');
  });
});

describe('Temporal', () => {
  test('that is away fails what needs it, and nothing else', async () => {
    const { find } = await examine({ TEMPORAL_ADDRESS: '127.0.0.1:1' });
    for (const name of ['Temporal', 'namespace', 'search attributes', 'workers', 'clock of Temporal'])
      expect(find(name)).toMatchObject({ verdict: 'fail', advice: expect.stringMatching(/TEMPORAL_/) });
    expect(find('database').verdict).toBe('ok');
  });

  test('without the namespace, or without its search attributes, is told apart', async () => {
    const missing = await examine({ TEMPORAL_NAMESPACE: 'nobody-made-it' });
    expect(missing.find('namespace')).toMatchObject({
      verdict: 'fail',
      advice: expect.stringContaining('namespace create'),
    });
    expect(missing.find('Temporal').verdict).toBe('ok');
    const bare = await createBareNamespace(connection, inject('temporalAddress'));
    const { find } = await examine({ TEMPORAL_NAMESPACE: bare });
    expect(find('namespace').verdict).toBe('ok');
    expect(find('search attributes')).toMatchObject({
      verdict: 'fail',
      advice: expect.stringContaining('--name StuckCause'),
    });
  });
});

test('a key that a provider refuses is named by its variable', async () => {
  const strict = await createSimulator({
    seed: 1,
    tier: 'ultra',
    timeScale: 0.01,
    webhookSecret: 'whsec_x',
    apiKey: 'another',
  }).listen();
  const { code, find } = await examine({ SIMULATOR_URL: strict.origin }, 'provider');
  expect(code).toBe(1);
  for (const [name, variable] of [
    ['wavespeed', 'WAVESPEED_API_KEY'],
    ['fal', 'FAL_KEY'],
    ['replicate', 'REPLICATE_API_TOKEN'],
    ['runway', 'RUNWAYML_API_SECRET'],
  ])
    expect(find(`provider ${name}`)).toMatchObject({ verdict: 'fail', advice: `Set ${variable} to a valid key.` });
  await strict.close();
});

test('a provider that does not answer is no proof of anything', async () => {
  const { find } = await examine({ SIMULATOR_URL: await deadOrigin() }, 'provider');
  expect(find('provider wavespeed').verdict).toBe('warn');
});

test('a folder that can’t be written to is found out', async () => {
  const file = join(directory, 'a-file');
  await writeFile(file, 'no folder');
  const { find } = await examine({ DATA_DIRECTORY: file }, 'object store');
  expect(find('object store')).toMatchObject({ verdict: 'fail', advice: expect.stringContaining('DATA_DIRECTORY') });
});

test('without encryption keys webhook secrets lie open, which production does not take', async () => {
  expect((await examine({ ENCRYPTION_KEYS: '' }, 'encryption')).find('encryption').verdict).toBe('warn');
  const production = await examine({ ENCRYPTION_KEYS: '', SIMULATOR_URL: '', NODE_ENV: 'production' }, 'encryption');
  expect(production.find('encryption')).toMatchObject({
    verdict: 'fail',
    advice: expect.stringContaining('ENCRYPTION_KEYS'),
  });
});

test('a configuration that can’t be read ends the examination with every fault of it', async () => {
  const { code, find } = await examine({ PORT: 'eighty', LOG_LEVEL: 'loud' });
  expect(code).toBe(1);
  expect(find('configuration')).toMatchObject({
    verdict: 'fail',
    sentence: expect.stringMatching(/PORT.*LOG_LEVEL|LOG_LEVEL.*PORT/),
  });
});

test('for people it is a line a check, with what to do below', async () => {
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  expect(await doctor([], { say, note: say, environment: {} })).toBe(1);
  expect(lines).toContain('fail  database: DATABASE_URL is not set.');
  expect(lines).toContain('      Set it to the database of the API.');
  expect(await doctor(['--help'], { say, note: say })).toBe(0);
  expect(await doctor(['--nonsense'], { say, note: say })).toBe(2);
});
