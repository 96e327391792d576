import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { doctor } from '../../../src/main/doctor/doctor.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-doctor-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Said {
  readonly code: number;
  readonly out: string;
  readonly notes: string;
}

async function examine(only: string, environment: NodeJS.ProcessEnv): Promise<Said> {
  const [out, notes]: [string[], string[]] = [[], []];
  const say = (line: string): void => void out.push(line);
  const code = await doctor(['--only', only], { say, note: (line) => void notes.push(line), environment });
  return { code, out: out.join('\n'), notes: notes.join('\n') };
}

test.each([
  { TEMPORAL_ADDRESS: 'http://temporal:7233' },
  { TEMPORAL_ADDRESS: 'temporal:7233', TEMPORAL_TLS_SERVER_CA_CERT_DATA: 'nonsense' },
])('what no client takes fails its own check, and the others are shown: %j', async (environment) => {
  const { code, out } = await examine('', {
    ...environment,
    SIMULATOR_URL: 'http://127.0.0.1:1',
    DATA_DIRECTORY: directory,
  });
  expect(code).toBe(1);
  expect(out).toMatch(/^fail +Temporal: TEMPORAL_(ADDRESS|TLS_SERVER_CA_CERT)/m);
  expect(out).toMatch(/^ok +configuration: /m);
  expect(out).toMatch(/^fail +database: DATABASE_URL is not set/m);
});

test('a name that no check has is refused with those that there are', async () => {
  const { code, out, notes } = await examine('databsae', {});
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(notes).toMatch(/"databsae".*versions, configuration, database, /);
});
