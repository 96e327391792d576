import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import { adviceOf } from '../../../src/domain/stuck-advice.ts';
import { asTyped } from '../../../src/main/command-line/as-typed.ts';

const built = 'file:///app/dist/main/command-line/as-typed.js';

test.each([
  ['See npm run ops -- show ID.', 'See spillway ops show ID.'],
  ['npm run ops -- --help', 'spillway ops --help'],
  ['Run `npm run migrate` first.', 'Run `spillway migrate` first.'],
  ['use `npm start`, or `npm run demo`', 'use `spillway start`, or `spillway demo`'],
  ['Usage: npm run deploy -- <command>', 'Usage: spillway deploy <command>'],
])('what is built says %j as %j, and the sources say it as it is', (written, typed) => {
  expect(asTyped(written, built)).toBe(typed);
  expect(asTyped(written)).toBe(written);
});

test('what is not ours stays as it is', () => {
  expect(asTyped('npm ci, npm run build, npm run operate -- x', built)).toBe(
    'npm ci, npm run build, npm run operate -- x',
  );
});

test('no advice for a stuck job asks for npm where there is none', () => {
  for (const cause of stuckCauses) {
    const advice = adviceOf({ cause, since: 0 }, { jobId: 'video_x', target: 'fal/a' });
    expect(asTyped(`${advice.nextStep} ${advice.command}`, built)).not.toContain('npm');
    expect(asTyped(advice.command, built)).toMatch(/^spillway ops /);
  }
});

test('every script that runs a command of ours is known', () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8')));
  const ours = Object.keys(scripts).filter((name) => scripts[name]?.endsWith(`src/main/cli.ts ${name}`));
  expect(ours.length).toBeGreaterThan(8);
  for (const name of ours.filter((one) => !one.includes(':')))
    expect(asTyped(`npm run ${name}`, built)).toBe(`spillway ${name}`);
});
