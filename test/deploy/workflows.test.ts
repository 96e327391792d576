import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { unknownOf } from './known-variables.ts';

const root = join(import.meta.dirname, '../..');
const directory = join(root, '.github/workflows');

const step = z.strictObject({
  name: z.string().optional(),
  uses: z.string().optional(),
  with: z.record(z.string(), z.unknown()).optional(),
  run: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
  if: z.string().optional(),
});
const workflow = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.string()),
  concurrency: z.record(z.string(), z.unknown()),
  jobs: z.record(
    z.string(),
    z.strictObject({
      'runs-on': z.string(),
      'timeout-minutes': z.number(),
      strategy: z.record(z.string(), z.unknown()).optional(),
      env: z.record(z.string(), z.string()).optional(),
      steps: z.array(step),
    }),
  ),
});

const workflows = readdirSync(directory).map((file) => {
  const text = readFileSync(join(directory, file), 'utf8');
  const parsed = workflow.parse(parse(text));
  return { file, text, ...parsed, steps: Object.values(parsed.jobs).flatMap(({ steps }) => steps) };
});
const compose = z
  .object({ services: z.record(z.string(), z.object({ profiles: z.array(z.string()).optional() })) })
  .parse(parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }));
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));

/** The expressions of the runner become a word, as they are when the shell sees them. */
const asShell = (run: string): string => run.replaceAll(/\$\{\{[^}]*\}\}/g, 'expression');

function syntaxFaultOf(script: string): string {
  return spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' }).stderr;
}

test('there is one that runs every check, one for what is too long for that, and one that runs compose', () => {
  expect(workflows.map(({ file }) => file)).toEqual(['ci.yml', 'nightly.yml', 'smoke.yml']);
});

test('what they set for tests is what these read', () => {
  const sources = ['support/fixed-seed.ts', 'end-to-end/deploy-under-load.e2e.test.ts'];
  const read = sources.map((file) => readFileSync(join(root, 'test', file), 'utf8')).join('\n');
  const nightly = workflows.find(({ file }) => file === 'nightly.yml');
  for (const name of ['PROPERTY_SEED', 'SPILLWAY_DEPLOY_RPS']) {
    expect(nightly?.text).toContain(name);
    expect(read).toContain(name);
  }
});

describe.each(workflows)('$file', ({ text, steps, permissions, jobs }) => {
  test('may read and nothing else, and ends by itself', () => {
    expect(permissions).toEqual({ contents: 'read' });
    for (const job of Object.values(jobs)) expect(job['timeout-minutes']).toBeLessThanOrEqual(120);
  });

  test('uses actions of one commit each, which can’t be moved, with the release beside it', () => {
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(used.length).toBeGreaterThan(0);
    for (const uses of used) {
      expect(uses).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/);
      expect(text).toMatch(new RegExp(`${uses} # v\\d+\\.\\d+\\.\\d+`));
    }
  });

  test('every line of shell is one', () => {
    const runs = steps.flatMap(({ run }) => run ?? []);
    for (const run of runs) expect(syntaxFaultOf(asShell(run))).toBe('');
    expect(syntaxFaultOf('if true; then')).not.toBe('');
  });

  test('runs scripts that are there', () => {
    const runs = steps.flatMap(({ run }) => run?.split('\n') ?? []).map((line) => line.trim());
    for (const line of runs) {
      const [, script] = /^((?:\.ci|scripts)\/\S+)/.exec(line) ?? [];
      const [, name] = /^npm run (\S+)/.exec(line) ?? [];
      expect(name === undefined || name in scripts).toBe(true);
      expect(() => script === undefined || accessSync(join(root, script), constants.X_OK)).not.toThrow();
    }
  });

  test('puts nothing that others wrote into a shell', () => {
    for (const { run = '' } of steps) expect(run).not.toMatch(/\$\{\{ *(github\.event|github\.head_ref|secrets)/);
  });
});

test('the run of every check has each program without which tests are left out', () => {
  const job = workflows.find(({ file }) => file === 'ci.yml')?.jobs['test'];
  expect(job?.env).toEqual({ SPILLWAY_BUILD_TEMPORAL: '1' });
  const steps = job?.steps.map(({ run = '' }) => run) ?? [];
  const before = steps.slice(0, steps.indexOf('.ci/run')).join('\n');
  const [, looked = ''] = /for program in ([^;]+); do command -v "\$program"; done/.exec(before) ?? [];
  expect(looked.split(' ')).toEqual(['go', 'kubectl', 'chromium', 'python3']);
  expect(before).toMatch(/echo "PROMTOOL=\S+\/promtool" >> "\$GITHUB_ENV"/);
  // Whoever leaves tests out for want of another program has CI look for it too.
  const left = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) => [...readFileSync(join(root, 'test', file), 'utf8').matchAll(/\b(?:skipIf|runIf)\(([^)]*)\)/g)])
    .map(([, why = '']) => why);
  const reasons = ['chromiumPath', 'programs', '!hasKubectl', 'isThere', 'isNamed', 'process.'];
  expect(left.length).toBeGreaterThan(8);
  expect(left.filter((why) => !reasons.some((reason) => why.startsWith(reason)))).toEqual([]);
});

describe('the smoke test', () => {
  const smoke = workflows.find(({ file }) => file === 'smoke.yml');
  const runs = (smoke?.steps ?? []).map(({ run = '' }) => run);

  test('sets what compose or the script reads', () => {
    const set = Object.keys(smoke?.jobs['compose']?.env ?? {});
    expect(unknownOf(set)).toEqual(['COMPOSE_PROFILES']);
  });

  test('waits for every part, makes a video, and asks the doctor', () => {
    expect(runs.filter((run) => /compose up .*--wait( |$)/.test(run)).length).toBe(1);
    expect(runs).toEqual(
      expect.arrayContaining([
        'scripts/smoke.sh',
        'docker compose run --rm doctor',
        'docker compose exec --no-TTY worker spillway ops overview',
      ]),
    );
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(['api', 'worker', 'doctor']));
    const profiles = z.object({ include: z.array(z.object({ profiles: z.string() })) });
    const { include } = z.object({ matrix: profiles }).parse(smoke?.jobs['compose']?.strategy).matrix;
    const known = Object.values(compose.services).flatMap((service) => service.profiles ?? []);
    for (const { profiles: named } of include) expect(known).toEqual(expect.arrayContaining(named.split(',')));
  });

  test('tells why when it fails, and leaves nothing behind in any case', () => {
    const last = (smoke?.steps ?? []).slice(-2);
    expect(last.map((step) => step.if)).toEqual(['failure()', 'always()']);
    expect(last[0]?.run).toContain('docker compose logs');
    expect(last[1]?.run).toContain('down --volumes');
  });
});

test('every script of ours is proper shell', () => {
  const files = readdirSync(join(root, 'scripts')).filter((file) => file.endsWith('.sh'));
  expect(files).toContain('smoke.sh');
  for (const file of files) expect(syntaxFaultOf(readFileSync(join(root, 'scripts', file), 'utf8'))).toBe('');
});
