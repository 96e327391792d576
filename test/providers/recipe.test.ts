import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { vendorNames } from '../../src/simulator/vendor-name.ts';

/** The promise of CONTRIBUTING.md: a vendor is one folder and one line, and as much again in the simulator. */
test.each(['runway', 'replicate'])('no line of code but those of the recipe knows %s', async (vendor) => {
  const paths = await readdir('src', { recursive: true });
  const sources = paths.filter((path) => path.endsWith('.ts') && !path.includes(`/${vendor}/`));
  const knowing = await Promise.all(
    sources.map(async (path) =>
      withoutComments(await readFile(join('src', path), 'utf8')).includes(vendor) ? path : '',
    ),
  );
  expect(knowing.filter(Boolean).toSorted()).toEqual([
    'providers/registry.ts',
    'simulator/vendor-name.ts',
    'simulator/vendors.ts',
  ]);
});

/** Who knows one vendor's folder finds the way in every other. */
test.each([
  ['src/providers', ['client.ts', 'failures.ts', 'provider.ts', 'start.ts', 'wire.ts']],
  ['src/simulator', ['answers.ts', 'models.ts', 'vendor.ts', 'wire.ts']],
])('in %s every vendor has the same files, and may have more', async (room, files) => {
  const entries = await readdir(room, { withFileTypes: true });
  const vendors = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(vendors.toSorted()).toEqual(vendorNames.toSorted());
  for (const vendor of vendors) expect(await readdir(join(room, vendor))).toEqual(expect.arrayContaining(files));
});

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').toLowerCase();
}
