import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { variables } from '../../src/config.ts';
import { commands } from './commands.ts';
import { readCopies, readEntrypoint, readStages, valuesOf } from './dockerfile.ts';
import { isSecret } from './known-variables.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const stages = readStages();

test('both stages have the same base, which can be pinned by its digest', () => {
  const bases = stages.flat().filter(({ name }) => name === 'FROM');
  expect(bases.map(({ value }) => value)).toEqual(['${NODE_IMAGE} AS build', '${NODE_IMAGE}']);
  const [argument = ''] = stages[0]?.map(({ value }) => value) ?? [];
  expect(argument).toMatch(/^NODE_IMAGE=node:\d+-bookworm-slim$/);
  const { engines } = JSON.parse(read('package.json'));
  const [, major = ''] = /node:(\d+)/.exec(argument) ?? [];
  expect(Number(major)).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)?.[0]));
});

test('it runs as a number that is not root, and nothing after that can change it', () => {
  const [, uid = '0', gid = '0'] = /^(\d+):(\d+)$/.exec(valuesOf('USER').at(-1) ?? '') ?? [];
  expect([Number(uid), Number(gid)].every((id) => id > 0)).toBe(true);
  const names = stages.at(-1)?.map(({ name }) => name) ?? [];
  expect(names.slice(names.lastIndexOf('USER') + 1)).toEqual(['EXPOSE', 'ENTRYPOINT', 'CMD']);
});

test('no secret is baked in, neither into the image nor into what built it', () => {
  const given = stages.flat().filter(({ name }) => name === 'ENV' || name === 'ARG');
  const names = given.flatMap(({ value }) => [...value.matchAll(/([A-Z][A-Z0-9_]*)=?/g)].map(([, name]) => name ?? ''));
  expect(names).toContain('NODE_ENV');
  expect(names.filter((name) => isSecret(name) || /KEY|TOKEN|SECRET|PASSWORD/.test(name))).toEqual([]);
});

test('there is no npm in it, and the program is Node itself, so that SIGTERM arrives', () => {
  const [removal = ''] = valuesOf('RUN');
  for (const path of ['/usr/local/lib/node_modules', '/usr/local/bin/npm', '/usr/local/bin/npx'])
    expect(removal).toContain(path);
  const [program, ...args] = readEntrypoint();
  expect(program).toBe('node');
  expect(existsSync(join(root, args.at(-1)?.replace(/^dist\/(.*)\.js$/, 'src/$1.ts') ?? ''))).toBe(true);
  expect(commands).toContain(JSON.parse(valuesOf('CMD')[0] ?? '[]')[0]);
});

test('`spillway` is on the path of whoever is in the container, and may be run', () => {
  expect(read('src/main/cli.ts').startsWith('#!/usr/bin/env node\n')).toBe(true);
  const { bin } = JSON.parse(read('package.json'));
  expect(valuesOf('RUN').join()).toContain(`ln -s /app/${bin.spillway} /usr/local/bin/spillway`);
  const build = stages[1]?.find(({ name, value }) => name === 'RUN' && value.startsWith('npm run build'))?.value ?? '';
  expect(build).toContain(`&& chmod 755 ${bin.spillway}`);
});

test.each(['runbook', 'restore', 'upgrades', 'operations'])('%s says how its commands are typed there', (page) => {
  expect(read(`docs/${page}.md`)).toContain('(deployment.md#running-a-command)');
  expect(read('docs/deployment.md')).toContain('\n## Running a command\n');
});

test('the ports that it names are those that the program has by itself', () => {
  expect(valuesOf('EXPOSE')).toEqual([`${variables.PORT.parse(undefined)} ${variables.OPS_PORT.parse(undefined)}`]);
});

test('what it copies is there, and gets past .dockerignore, and nothing else does', () => {
  const stagesCopies = stages.flat().filter(({ name, value }) => name === 'COPY' && !value.startsWith('--from'));
  const wanted = stagesCopies.flatMap(({ value }) => value.split(' ').slice(0, -1));
  for (const file of wanted) expect(existsSync(join(root, file))).toBe(true);
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines[0]).toBe('*');
  expect(lines.slice(1).toSorted()).toEqual([...new Set(wanted)].map((file) => `!${file}`).toSorted());
});

test('it says what it is made of', () => {
  const build = stages[1]?.map(({ value }) => value).join('\n') ?? '';
  expect(build).toContain('npm run --silent sbom');
  expect(readCopies().flatMap(({ sources }) => sources)).toContain('/app/sbom.cdx.json');
});
