import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const source = readFileSync(join(import.meta.dirname, '../../src/main/cli.ts'), 'utf8');
const [, usage = ''] = /const usage = `([^`]*)`/.exec(source) ?? [];

/** What `spillway` can be asked to do, as its usage says. */
export const commands: ReadonlySet<string> = new Set(
  [...usage.matchAll(/^ {2}([a-z][a-z:]*) {2,}/gm)].map(([, command]) => command ?? ''),
);
