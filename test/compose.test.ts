import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { variables } from '../src/config.ts';

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

test('every variable that compose sets for us is one that we read', () => {
  const set = Object.keys(compose.services['api']?.environment ?? {});
  expect(set.length).toBeGreaterThan(5);
  expect(set.filter((name) => !(name in variables))).toEqual([]);
});
