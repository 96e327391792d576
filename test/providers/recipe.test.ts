import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

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

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').toLowerCase();
}
