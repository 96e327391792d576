import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { variables } from '../../src/config.ts';
import { checkAgainst, readSchema } from './against-schema.ts';
import { commands } from './commands.ts';
import { isSecret, ofProviders, unknownOf } from './known-variables.ts';

const root = join(import.meta.dirname, '../..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const documentOf = (file: string): unknown => parse(textOf(file), { merge: true });

const service = z.object({
  image: z.string().optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.null()])).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  profiles: z.array(z.string()).optional(),
  secrets: z.array(z.string()).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  stop_grace_period: z.string().optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.unknown()).optional(),
});
const file = z.object({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()).optional(),
  secrets: z.record(z.string(), z.object({ file: z.string() })).optional(),
});

const compose = file.parse(documentOf('docker-compose.yml'));
const withSecrets = file.parse(documentOf('docker-compose.secrets.yml'));
const ours = ['migrate', 'api', 'worker', 'doctor', 'simulator'];
const environment = compose.services['api']?.environment ?? {};
const check = checkAgainst(readSchema('compose.json'));

describe('the schema of compose files', () => {
  test.each(['docker-compose.yml', 'docker-compose.secrets.yml'])('finds nothing wrong with %s', (name) => {
    expect(check(documentOf(name))).toEqual([]);
  });

  test.each([
    { services: { api: { image: 'spillway', restarts: 'always' } } },
    { services: { api: { depends_on: { migrate: { condition: 'service_done' } } } } },
    { services: { api: { healthcheck: { test: 1 } } } },
  ])('finds fault with %j', (document) => {
    expect(check(document)).not.toEqual([]);
  });
});

test('compose has the parts of a deployment, and others only where they are asked for', () => {
  const always = Object.entries(compose.services).flatMap(([name, { profiles }]) => (profiles ? [] : [name]));
  expect(always).toEqual(['postgres', 'temporal', 'migrate', 'api', 'worker']);
  expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(ours));
});

test('what it starts of ours are commands that we have', () => {
  expect(commands.size).toBeGreaterThan(5);
  for (const name of ours) {
    const [command = ''] = compose.services[name]?.command ?? [];
    expect(commands).toContain(command);
    expect(command).toBe(name);
  }
});

describe('variables', () => {
  test('that are set for us are ones that somebody reads', () => {
    expect(unknownOf(Object.keys(environment))).toEqual([]);
    for (const { environment: more = {} } of Object.values(withSecrets.services))
      expect(unknownOf(Object.keys(more))).toEqual([]);
  });

  /** Of embedded servers, of files on the machine, of what the image has in a fixed place. */
  const notPassed = [
    'TEMPORAL_CLI_PATH',
    'TEMPORAL_CONFIG_FILE',
    'TEMPORAL_PROFILE',
    'CATALOGUE_PATH',
    'SIMULATOR_PORT',
  ];

  test('of ours and of every provider can be given', () => {
    const all = [...Object.keys(variables), ...ofProviders].filter((name) => !notPassed.includes(name));
    expect(all.filter((name) => !(name in environment))).toEqual([]);
  });

  test('that hold secrets have no value in the file, but the password of the Postgres beside it', () => {
    const written = Object.entries(environment).filter(([name, value]) => isSecret(name) && value !== null);
    expect(written.map(([name]) => name)).toEqual(['DATABASE_URL']);
  });

  test('that are filled in by the shell are those that the file or we know', () => {
    const text = textOf('docker-compose.yml') + textOf('docker-compose.secrets.yml');
    const named = [...text.matchAll(/(?<!\$)\$\{?([A-Z][A-Z0-9_]*)/g)].map(([, name]) => name ?? '');
    expect(named.length).toBeGreaterThan(5);
    expect(new Set(unknownOf(named))).toEqual(new Set(['SPILLWAY_IMAGE', 'SECRETS_DIRECTORY']));
  });
});

describe('containers of ours', () => {
  const parts = ours.map((name) => ({ name, ...compose.services[name] }));

  test.each(parts)('$name may write to its volume and /tmp, and may nothing else', (part) => {
    expect(part).toMatchObject({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      volumes: ['objects:/data'],
      environment: { DATA_DIRECTORY: '/data' },
    });
  });

  test.each(['api', 'worker', 'simulator'])('%s says when it is ready, at a port that it has', (name) => {
    const part = compose.services[name];
    const [, port = ''] = /127\.0\.0\.1:(\d+)\//.exec(part?.healthcheck?.test.join(' ') ?? '') ?? [];
    const ports = [environment['OPS_PORT'], variables.SIMULATOR_PORT.parse(undefined)].map(String);
    expect(ports).toContain(port);
  });

  test('have as long to stop as the longest thing that they may not cut off', () => {
    for (const { stop_grace_period: grace = '' } of parts) expect(parseInt(grace)).toBeGreaterThanOrEqual(115);
  });
});

test('nothing but the API is open to the network', () => {
  const open = Object.entries(compose.services).flatMap(([name, { ports = [] }]) =>
    ports.filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${name} ${port}`),
  );
  expect(open).toEqual(['api 8080:8080']);
});

test('volumes and services that are named are there', () => {
  const volumes = Object.keys(compose.volumes ?? {});
  for (const { volumes: mounts = [], depends_on: needed = {} } of Object.values(compose.services)) {
    for (const mount of mounts) expect(volumes).toContain(mount.split(':')[0]);
    for (const name of Object.keys(needed)) expect(Object.keys(compose.services)).toContain(name);
  }
});

test('what ends by itself is waited for by somebody, or `up --wait` would take its end for a failure', () => {
  const waitedFor = Object.values(compose.services).flatMap(({ depends_on: needed = {} }) =>
    Object.entries(needed)
      .filter(([, how]) => JSON.stringify(how).includes('service_completed_successfully'))
      .map(([name]) => name),
  );
  expect(new Set(waitedFor)).toEqual(new Set(['migrate', 'temporal-schema', 'temporal-namespace']));
});

/** By their Dockerfiles: both run as `temporal`, who owns his home alone, and neither image has a file of dynamic settings. */
describe('Temporal’s own images', () => {
  test('the dev server keeps its database in a volume where its user may write', () => {
    const { command = '', volumes: mounts = [] } = compose.services['temporal'] ?? {};
    const [, database = ''] = /--db-filename (\S+)/.exec(String(command)) ?? [];
    expect(mounts).toEqual(['temporal:/home/temporal']);
    expect(database.startsWith('/home/temporal/')).toBe(true);
  });

  test('the server reads its dynamic settings from a file that is there', () => {
    const { environment: set = {}, volumes: mounts = [] } = compose.services['temporal-server'] ?? {};
    const file = String(set['DYNAMIC_CONFIG_FILE_PATH']);
    expect(file === '/dev/null' || mounts.some((mount) => file.startsWith(mount.split(':')[1] ?? file))).toBe(true);
  });
});

test('every image is of one release, not of whatever is newest', () => {
  for (const { image = '' } of Object.values(compose.services))
    expect(image).toMatch(/^(\$\{SPILLWAY_IMAGE:-spillway:local\}|[a-z/-]+:\d[\d.]*)$/);
});

test('secrets as files: each is mounted, read by its variable, and handed over as a file', () => {
  for (const { environment: set = {}, secrets = [] } of Object.values(withSecrets.services)) {
    expect(Object.values(set)).toEqual(secrets.map((name) => `/run/secrets/${name}`));
    expect(Object.keys(set)).toEqual(secrets.map((name) => `${name.toUpperCase()}_FILE`));
    for (const name of secrets) expect(withSecrets.secrets?.[name]?.file).toContain(name);
  }
});
