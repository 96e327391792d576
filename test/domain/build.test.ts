import { expect, test } from 'vitest';
import { type Build, mayDispatch, type Routing } from '../../src/domain/build.ts';

const own: Build = { deploymentName: 'spillway', buildId: 'two' };
const current = (build: Partial<Build> = {}): Routing => ({ kind: 'current', build: { ...own, ...build } });

test.each<[string, Routing]>([
  ['before anything is known', { kind: 'unknown' }],
  ['where no build was ever made current', { kind: 'unversioned' }],
  ['where another build is current', current({ buildId: 'one' })],
  ['where a build of that name is current in another deployment', current({ deploymentName: 'other' })],
])('a build does not dispatch %s', (_when, routing) => {
  expect(mayDispatch(own, routing)).toBe(false);
});

test('the current build dispatches', () => {
  expect(mayDispatch(own, current())).toBe(true);
});

test.each<[string, Routing]>([
  ['nothing', { kind: 'unknown' }],
  ['that nobody has named a build', { kind: 'unversioned' }],
  ['that some build is current', current()],
])('a worker without a build dispatches as ever, whether it knows %s', (_what, routing) => {
  expect(mayDispatch(undefined, routing)).toBe(true);
});
