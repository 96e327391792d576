import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { searchAttributeTypes } from '../../../src/contracts/search-attributes.ts';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import { adviceOf } from '../../../src/domain/stuck-advice.ts';
import { ops } from '../../../src/main/ops/ops.ts';
import { commands } from '../../deploy/commands.ts';
import { readExported } from './exported.ts';
import { familyOf } from './exposition.ts';
import { rules } from './files.ts';

const docs = join(import.meta.dirname, '../../../docs');
const page = readFileSync(join(docs, 'runbook.md'), 'utf8');

/** As GitHub makes anchors of headings. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

const sections: ReadonlyMap<string, string> = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((part) => [anchorOf(part.slice(0, part.indexOf('\n'))), part.split(/^# /m)[0] ?? '']),
);

/** Every `npm run …` that is to be typed: lines of blocks, and words in the text. */
const typed: readonly string[] = [
  ...new Set([...page.matchAll(/npm run [^\n`]+/g)].map(([command]) => command.trim())),
];

/** From the tables that `parseArgs` is given, in the command's folder or in the file of its name. */
function optionsOf(name: string): readonly string[] {
  const directory = join(docs, '../src/main');
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && (dirname(file) === name || basename(file) === `${name}.ts`),
  );
  const text = files.map((file) => readFileSync(join(directory, file), 'utf8')).join('\n');
  return [...text.matchAll(/^ {2}'?([a-z-]+)'?: \{ type: '(?:string|boolean)'/gm)].map(([, option = '']) => option);
}

/** As a shell divides them. */
function wordsOf(command: string): readonly string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

describe('the runbook', () => {
  test.each(stuckCauses)('has a section for %s: what is seen, what it means, what to check, do and leave', (cause) => {
    const section = sections.get(cause) ?? '';
    for (const part of ['Alert', '**You see**', '**It means**', '**Check**', '**Safe**', '**Do not**', '**Over**'])
      expect(section).toContain(part);
    expect(section).toContain(`cause="${cause}"`);
    expect(section).toContain(
      cause === 'workflow_task_failing' ? 'TemporalReportedProblems' : `StuckCause = '${cause}'`,
    );
  });

  test.each(stuckCauses)('has for %s the command that ops and Temporal UI advise', (cause) => {
    for (const elsewhere of ['wavespeed/wan-2.6', null]) {
      const { command } = adviceOf({ cause, since: 0 }, { jobId: 'video_…', target: 'fal/wan-2.6', elsewhere });
      expect(sections.get(cause)).toContain(`${command}\n`);
    }
  });

  test('every alert leads to a section that names it, and every section names alerts that there are', () => {
    for (const { alert, annotations } of rules)
      expect(sections.get(annotations.runbook_url.split('#')[1] ?? '')).toMatch(
        new RegExp(`^Alerts?: .*\\b${alert}\\b`, 'm'),
      );
    const names = rules.map(({ alert }) => alert);
    for (const [name] of page.matchAll(/\bSpillway[A-Z]\w+/g)) expect(names).toContain(name);
  });

  test('every metric that it names is exported', async () => {
    const exported = await readExported();
    const named = [...page.matchAll(/`((?:spillway|temporal)_[a-z_]+)/g)].map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(60);
    for (const name of named) expect([...exported.keys()]).toContain(familyOf(name, exported));
  });

  test('every query of Temporal UI asks for attributes and causes that there are', () => {
    const queries = [...page.matchAll(/`([^`]*ExecutionStatus = [^`]*)`/g)].map(([, query = '']) => query);
    expect(queries.length).toBeGreaterThanOrEqual(stuckCauses.length);
    const known = [...Object.keys(searchAttributeTypes), 'ExecutionStatus', 'WorkflowType', 'TemporalReportedProblems'];
    for (const query of queries)
      for (const [, name = ''] of query.matchAll(/(\w+) (?:=|IS)/g)) expect(known).toContain(name);
  });

  test('every link leads somewhere', () => {
    for (const [, path = '', anchor] of page.matchAll(/\]\(([^)#]*)(?:#([^)]+))?\)/g)) {
      const file = path === '' ? join(docs, 'runbook.md') : join(docs, path);
      expect({ file, isThere: existsSync(file) }).toEqual({ file, isThere: true });
      expect([undefined, ...anchorsOf(readFileSync(file, 'utf8'))]).toContain(anchor);
    }
  });
});

describe('what is to be typed', () => {
  beforeEach(() => {
    vi.stubEnv('DATABASE_URL', 'postgres://spillway@127.0.0.1:1/none');
    vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:1');
    vi.stubEnv('FAL_KEY', 'nobody');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  const asked = typed.filter((command) => command.startsWith('npm run ops -- ')).map((command) => [command] as const);

  /** Nobody listens there: what was typed is in order when the database is what is missing. */
  async function outcomeOf(command: string): Promise<{ readonly code: number; readonly notes: readonly string[] }> {
    const notes: string[] = [];
    const words = wordsOf(command.replaceAll('video_…', 'video_01939f6b-0000-7000-8000-000000000000'));
    const code = await ops(words.slice(4), { say: () => undefined, note: (line) => void notes.push(line) });
    return { code, notes };
  }

  test.each(asked)('%s is taken by the real command line', async (command) => {
    expect(await outcomeOf(command)).toEqual({
      code: 1,
      notes: [expect.stringContaining('The database did not answer')],
    });
  });

  test.each([
    'npm run ops -- repair poll-now video_…',
    'npm run ops -- repair poll-again video_… --reason "x"',
    'npm run ops -- drain fal/wan-2.6 --until 2h --reason "x"',
    'npm run ops -- stuck --cause no_money',
    'npm run ops -- stick',
  ])('%s would be found', async (command) => {
    expect((await outcomeOf(command)).code).toBe(2);
  });

  test('every other command is one of ours, with options that it has', () => {
    expect(asked.length).toBeGreaterThan(15);
    for (const command of typed) {
      const [, , name = '', ...words] = wordsOf(command);
      expect(commands).toContain(name);
      const options = words.flatMap((word) => /^--([a-z-]+)$/.exec(word)?.[1] ?? []);
      const unknown = options.filter((option) => !optionsOf(name).includes(option));
      expect({ command, unknown }).toEqual({ command, unknown: [] });
    }
  });

  test('what the doctor is asked for is a check of his', () => {
    const names = ['callbacks', 'last callbacks', 'database', 'object store', 'namespace', 'Temporal'];
    for (const command of typed.filter((one) => one.includes(' --only '))) {
      const only = wordsOf(command).at(-1) ?? '';
      expect(names.some((name) => name.includes(only))).toBe(true);
    }
  });
});
