import assert from 'node:assert';
import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseOptions, type IFlattenedRuleSet } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Law {
  readonly law: Readonly<Record<string, unknown>>;
  readonly forbidden: NonNullable<IFlattenedRuleSet['forbidden']>;
  readonly options: ICruiseOptions;
}

const root = join(import.meta.dirname, '..');
const { law, forbidden, options }: Law = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

const directories: string[] = [];
afterAll(async () => {
  await Promise.all(directories.splice(0).map((directory) => rm(directory, { recursive: true })));
});

async function judge(baseDir: string, folders: string[]): Promise<{ modules: number; violations: string[] }> {
  const { output } = await cruise(folders, { ...options, baseDir, validate: true, ruleSet: { forbidden } });
  assert(typeof output !== 'string');
  const violations = output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`);
  return { modules: output.summary.totalCruised, violations };
}

/** A little project of these files, next to our own packages. */
async function project(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'import-law-')));
  directories.push(directory);
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  await symlink(join(root, 'package.json'), join(directory, 'package.json'));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return directory;
}

test('every room keeps to its neighbours', async () => {
  const { modules, violations } = await judge(root, ['src', 'test', 'bench']);
  // A cruiser that can't parse TypeScript finds no modules, and so no violations.
  expect(modules).toBeGreaterThan(60);
  expect(violations).toEqual([]);
}, 30_000);

test('every folder of src has a line in the law', async () => {
  const entries = await readdir(join(root, 'src'), { withFileTypes: true });
  const rooms = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(rooms.filter((room) => room !== 'main' && !(room in law))).toEqual([]);
});

const empty = 'export const something = 1;\n';
const importing = (...specifiers: string[]) => specifiers.map((specifier) => `import '${specifier}';\n`).join('');

const offences: readonly { readonly folder: string; readonly imports: string; readonly rule: string }[] = [
  { folder: 'src/domain', imports: 'node:crypto', rule: 'domain-keeps-to-its-neighbours' },
  { folder: 'src/domain', imports: 'zod', rule: 'domain-keeps-to-its-neighbours' },
  { folder: 'src/domain', imports: '../contracts/x.ts', rule: 'domain-keeps-to-its-neighbours' },
  { folder: 'src/contracts', imports: 'zod', rule: 'contracts-keeps-to-its-neighbours' },
  { folder: 'src/contracts', imports: '../db/x.ts', rule: 'contracts-keeps-to-its-neighbours' },
  { folder: 'src/workflows', imports: '../activities/x.ts', rule: 'workflows-keeps-to-its-neighbours' },
  { folder: 'src/workflows', imports: '../db/x.ts', rule: 'workflows-keeps-to-its-neighbours' },
  { folder: 'src/workflows', imports: 'node:fs', rule: 'workflows-keeps-to-its-neighbours' },
  { folder: 'src/workflows', imports: 'zod', rule: 'workflows-keeps-to-its-neighbours' },
  { folder: 'src/workflows', imports: '@temporalio/activity', rule: 'workflows-keeps-to-its-neighbours' },
  { folder: 'src/catalogue', imports: '../providers/provider.ts', rule: 'catalogue-keeps-to-its-neighbours' },
  { folder: 'src/catalogue', imports: 'node:child_process', rule: 'catalogue-keeps-to-its-neighbours' },
  { folder: 'src/db', imports: '../contracts/x.ts', rule: 'db-keeps-to-its-neighbours' },
  { folder: 'src/db', imports: '../activities/x.ts', rule: 'db-keeps-to-its-neighbours' },
  { folder: 'src/storage', imports: 'pg', rule: 'storage-keeps-to-its-neighbours' },
  { folder: 'src/webhooks', imports: 'undici', rule: 'webhooks-keeps-to-its-neighbours' },
  { folder: 'src/activities', imports: 'express', rule: 'activities-keeps-to-its-neighbours' },
  { folder: 'src/activities', imports: '../providers/http.ts', rule: 'activities-keeps-to-its-neighbours' },
  { folder: 'src/activities', imports: '../workflows/x.ts', rule: 'activities-keeps-to-its-neighbours' },
  { folder: 'src/dispatch', imports: '../api/x.ts', rule: 'dispatch-keeps-to-its-neighbours' },
  { folder: 'src/dispatch', imports: '../workflows/x.ts', rule: 'dispatch-keeps-to-its-neighbours' },
  { folder: 'src/api', imports: '../workflows/x.ts', rule: 'api-keeps-to-its-neighbours' },
  { folder: 'src/api', imports: '../dispatch/x.ts', rule: 'api-keeps-to-its-neighbours' },
  { folder: 'src/api', imports: '../providers/one/x.ts', rule: 'api-keeps-to-its-neighbours' },
  { folder: 'src/api', imports: '../providers/http.ts', rule: 'api-keeps-to-its-neighbours' },
  { folder: 'src/api', imports: '@temporalio/worker', rule: 'api-keeps-to-its-neighbours' },
  { folder: 'src/simulation', imports: '../db/x.ts', rule: 'simulation-keeps-to-its-neighbours' },
  { folder: 'src/simulation', imports: 'node:fs', rule: 'simulation-keeps-to-its-neighbours' },
  { folder: 'src/simulator', imports: '../domain/x.ts', rule: 'simulator-keeps-to-its-neighbours' },
  { folder: 'src/embedded', imports: '../domain/x.ts', rule: 'embedded-keeps-to-its-neighbours' },
  { folder: 'src/embedded', imports: 'pg', rule: 'embedded-keeps-to-its-neighbours' },
  { folder: 'src/providers/one', imports: '../two/x.ts', rule: 'adapters-do-not-know-each-other' },
  { folder: 'src/main', imports: '../providers/one/x.ts', rule: 'only-the-registry-knows-the-adapters' },
  { folder: 'src/api', imports: '../config.ts', rule: 'only-main-reads-config' },
  { folder: 'src/embedded', imports: '../main/x.ts', rule: 'nobody-imports-main' },
  { folder: 'bench', imports: '../src/main/x.ts', rule: 'nobody-imports-main' },
  { folder: 'src/main', imports: '../../test/x.ts', rule: 'src-never-imports-test' },
  { folder: 'src/main', imports: 'fast-check', rule: 'src-ships-what-it-imports' },
];

describe('the law bites', () => {
  let offended: readonly string[];
  const fileOf = (index: number): string => `${offences[index]?.folder}/offence-${index}.ts`;
  beforeAll(async () => {
    const files = offences.map(({ imports }, index) => [fileOf(index), importing(imports)] as const);
    const directory = await project({ ...neighbourhood, ...Object.fromEntries(files) });
    ({ violations: offended } = await judge(directory, ['src', 'test', 'bench']));
  });

  test.each(offences.map((offence, index) => ({ ...offence, index })))(
    '$folder may not import $imports',
    ({ index, rule }) => {
      expect(offended.filter((violation) => violation.includes(` ${fileOf(index)} ->`)).join('\n')).toContain(rule);
    },
  );

  test('and nobody else is accused', () => {
    expect(offended.filter((violation) => !violation.includes('/offence-'))).toEqual([]);
  });
});

test('a cycle is one, a type counts as an import, and the logger knows nobody', async () => {
  const directory = await project({
    ...neighbourhood,
    'src/domain/a.ts': `import type { B } from './b.ts';\nexport interface A { b: B }\n`,
    'src/domain/b.ts': `import type { A } from './a.ts';\nexport interface B { a: A }\n`,
    'src/logger.ts': importing('./db/x.ts'),
    'src/workflows/a.ts': `import type { X } from '../activities/x.ts';\nexport type Y = X;\n`,
  });
  const { violations } = await judge(directory, ['src']);
  expect(violations).toContain('no-cycles: src/domain/a.ts -> src/domain/b.ts');
  expect(violations).toContain('config-and-logger-know-no-room: src/logger.ts -> src/db/x.ts');
  expect(violations).toContain('workflows-keeps-to-its-neighbours: src/workflows/a.ts -> src/activities/x.ts');
});

test('what the law allows stays allowed', async () => {
  const directory = await project({
    ...neighbourhood,
    'src/workflows/a.ts': importing('@temporalio/workflow', '../contracts/x.ts', '../domain/x.ts'),
    'src/activities/a.ts': importing('../providers/provider.ts', '../db/x.ts', '@temporalio/activity', 'pino'),
    'src/api/a.ts': importing('../providers/provider.ts', '../providers/hostile-url.ts', 'express', 'sharp'),
    'src/dispatch/a.ts': importing('@temporalio/client', 'pg', 'node:timers/promises', '../providers/provider.ts'),
    'src/main/a.ts': importing('../config.ts', '../api/x.ts', '../providers/registry.ts', '@temporalio/worker'),
  });
  expect((await judge(directory, ['src', 'test', 'bench'])).violations).toEqual([]);
});

const neighbourhood: Readonly<Record<string, string>> = {
  'tsconfig.json': '{}',
  'src/config.ts': empty,
  'src/providers/provider.ts': empty,
  'src/providers/hostile-url.ts': empty,
  'src/providers/http.ts': empty,
  'src/providers/registry.ts': importing('./one/x.ts', './two/x.ts'),
  'src/providers/two/x.ts': empty,
  'src/providers/one/x.ts': empty,
  'test/x.ts': empty,
  'bench/x.ts': empty,
  ...Object.fromEntries(
    ['domain', 'contracts', 'workflows', 'activities', 'dispatch', 'db', 'api', 'main'].map((room) => [
      `src/${room}/x.ts`,
      empty,
    ]),
  ),
};
