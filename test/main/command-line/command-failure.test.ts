import { ServiceError } from '@temporalio/client';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ConfigError } from '../../../src/config.ts';
import { CommandError } from '../../../src/main/command-line/command-error.ts';
import { commandFailure } from '../../../src/main/command-line/command-failure.ts';
import { ops } from '../../../src/main/ops/ops.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function sentenceOf(error: unknown): readonly [exitCode: number, message: string] {
  const failure = commandFailure(error);
  if (!(failure instanceof CommandError)) throw new Error('nobody can do anything about it', { cause: failure });
  return [failure.exitCode, failure.message];
}

const withMembers = (message: string, members: object): Error => Object.assign(new Error(message), members);
const ofGrpc = withMembers('14 UNAVAILABLE: nobody is there', { code: 14, details: 'nobody', metadata: {} });

describe('an error is blamed on', () => {
  test('the configuration', () => {
    expect(sentenceOf(new ConfigError('FAL_KEY is not set.'))).toEqual([2, 'FAL_KEY is not set.']);
  });

  test.each([ofGrpc, new ServiceError('Failed to query', { cause: ofGrpc }), new ServiceError('14 UNAVAILABLE')])(
    'Temporal: %s',
    (error) => expect(sentenceOf(error)).toEqual([1, expect.stringMatching(/^Temporal .*14 UNAVAILABLE.*TEMPORAL_/)]),
  );

  test.each([
    [withMembers('connect ECONNREFUSED 127.0.0.1:1', { code: 'ECONNREFUSED' }), /did not answer \(ECONNREFUSED\)/],
    [new AggregateError([], ''), /did not answer/],
    [new Error('timeout exceeded when trying to connect'), /did not answer \(timeout exceeded/],
    [withMembers('Invalid URL', { code: 'ERR_INVALID_URL' }), /DATABASE_URL/],
    [withMembers('no such table', { code: '42P01', severity: 'ERROR' }), /npm run migrate/],
    [withMembers('canceling statement', { code: '57014', severity: 'ERROR' }), /took too long/],
  ])('the database: %s', (error, sentence) => expect(sentenceOf(error)).toEqual([1, expect.stringMatching(sentence)]));

  test.each([
    new TypeError('undefined is not a function'),
    withMembers('connect ECONNREFUSED 127.0.0.1:9000', { code: 'ECONNREFUSED', $metadata: {} }),
    withMembers('division by zero', { code: '22012', severity: 'ERROR' }),
    'a text',
  ])('nobody, and is left as it is: %s', (error) => expect(commandFailure(error)).toBe(error));
});

test('a command whose configuration is wrong says so, and blames nobody else', async () => {
  const notes: string[] = [];
  vi.stubEnv('DATABASE_URL', 'postgres://nobody@127.0.0.1:1/none');
  vi.stubEnv('TEMPORAL_API_KEY', 'two\nlines');
  const say = (line: string): void => void notes.push(line);
  expect(await ops(['stuck'], { say, note: say })).toBe(2);
  expect(notes.join('\n')).toMatch(/^TEMPORAL_API_KEY holds /);
});
