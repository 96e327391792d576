import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Pool } from 'pg';

/**
 * Writes down each statement that the program sends while the tests run, a file each, for `record-release.ts` to gather.
 * Loaded before everything else, by NODE_OPTIONS, so that no test has to know of it.
 */
const directory = process.env['SPILLWAY_STATEMENTS_DIRECTORY'];

/** How far up the one who asks may stand. */
const framesMax = 30;
const known = new Set<string>();

function note(question: unknown): void {
  const text = textOf(question);
  if (directory === undefined || text === undefined || known.has(text) || !isAskedByTheProgram()) return;
  known.add(text);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${createHash('sha256').update(text).digest('hex').slice(0, 16)}.sql`), text);
}

function textOf(question: unknown): string | undefined {
  if (typeof question === 'string') return question;
  if (typeof question !== 'object' || question === null || !('text' in question)) return undefined;
  return typeof question.text === 'string' ? question.text : undefined;
}

/** A test's own statements are no part of a release. */
function isAskedByTheProgram(): boolean {
  Error.stackTraceLimit = framesMax;
  const frames = (new Error('where are we').stack ?? '').split('\n').slice(1);
  Error.stackTraceLimit = 10;
  const asker = frames.find((frame) => !/node_modules|record-statements|node:internal/.test(frame)) ?? '';
  return asker.includes('/src/');
}

for (const asked of [Pool.prototype, Client.prototype]) {
  const ask = asked.query;
  Reflect.set(asked, 'query', function query(this: unknown, ...question: readonly unknown[]): unknown {
    note(question[0]);
    return Reflect.apply(ask, this, question);
  });
}
