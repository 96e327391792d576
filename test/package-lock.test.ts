import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.object({ resolved: z.string().optional(), optionalDependencies: z.record(z.string(), z.string()).optional() }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8')));

/**
 * npm leaves a platform's package out when its registry does not have it, and `npm ci` then refuses the whole file. The
 * way back: an entry with version, os, cpu, libc and `optional`, as the others have.
 */
test('the lock file names every optional package of every platform', () => {
  const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`${path}/node_modules/${name}` in lock.packages) && !(`node_modules/${name}` in lock.packages),
    ),
  );
  expect(missing).toEqual([]);
});

test('the lock file names no registry, so that it works with any', () => {
  const hosts = Object.values(lock.packages).flatMap(({ resolved }) =>
    resolved?.startsWith('http') ? [resolved] : [],
  );
  expect(hosts).toEqual([]);
});
