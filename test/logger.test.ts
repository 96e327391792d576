import { readFileSync } from 'node:fs';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createLogger, describeError } from '../src/logger.ts';
import { until } from './support/until.ts';

test('of an error of Postgres a line has what it is, and nothing of the row that it quotes', () => {
  const error = Object.assign(new Error('new row for relation "jobs" violates check constraint "priority_is_known"'), {
    code: '23514',
    severity: 'ERROR',
    detail: 'Failing row contains (video_1, a secret prompt).',
    where: 'a secret prompt',
  });
  const described = describeError(new Error('could not accept', { cause: error }));
  expect(JSON.stringify(described)).not.toContain('a secret prompt');
  expect(describeError(error)).toMatchObject({ type: 'Error', code: '23514', message: error.message });
});

test('what is thrown and is no error tells its kind', () => {
  expect(describeError({ prompt: 'a secret prompt' })).toEqual({ message: 'object' });
});

test('a field that should never have been logged is hidden', async () => {
  const destination = join(mkdtempSync(join(tmpdir(), 'spillway-log-')), 'log');
  const log = createLogger({ level: 'info', part: 'test', destination, fields: () => ({ workflow: 'video_1' }) });
  log.info({ prompt: 'canary', request: { token: 'canary', authorization: 'canary', prompt: 'canary' } }, 'a line');
  const line = await until('it is written', () => readFileSync(destination, 'utf8'));
  expect(line).not.toContain('canary');
  expect(JSON.parse(line)).toMatchObject({ part: 'test', workflow: 'video_1', msg: 'a line' });
});
