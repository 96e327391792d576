import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadCatalogue } from '../src/catalogue/load.ts';
import { variables } from '../src/config.ts';

const { providers } = await loadCatalogue(join(import.meta.dirname, '..', 'models.yaml'));

/** No engine runs where this was written, so at least what can be read is checked. */
const compose = z
  .object({
    services: z.record(
      z.string(),
      z.object({
        command: z.union([z.string(), z.array(z.string())]).optional(),
        environment: z.record(z.string(), z.string()).optional(),
      }),
    ),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(readFileSync(join(import.meta.dirname, '..', 'docker-compose.yml'), 'utf8'), { merge: true }));

test('compose has the parts of a deployment', () => {
  expect(Object.keys(compose.services)).toEqual(['postgres', 'temporal', 'migrate', 'api', 'worker', 'simulator']);
});

/** The keys of a bucket are read by the AWS SDK. */
const ofSdk = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
const ofProviders = Object.values(providers).flatMap((provider) =>
  [provider.key_variable, provider.webhook_secret_variable, provider.level_variable].filter(
    (name) => name !== undefined,
  ),
);
const set = Object.keys(compose.services['api']?.environment ?? {});

test('every variable that compose sets for us is one that we read', () => {
  expect(set.length).toBeGreaterThan(5);
  const known = [...Object.keys(variables), ...ofProviders, ...ofSdk];
  expect(set.filter((name) => !known.includes(name))).toEqual([]);
});

test('every provider of the catalogue can be given its key', () => {
  expect(set).toEqual(expect.arrayContaining(ofProviders));
});
