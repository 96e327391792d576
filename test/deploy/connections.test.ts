import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Of pools, and of who listens for wake-ups, who has a connection of his own. */
function connectionsOf(file: string): number {
  const text = read(`src/main/${file}`);
  const pools = [...text.matchAll(/connectionsMax: (\d+)/g)].map(([, most = '']) => Number(most));
  return pools.reduce((sum, most) => sum + most, 0) + [...text.matchAll(/ listenToWakeUps\(/g)].length;
}

const ofBoth = connectionsOf('serve-ops.ts');
const api = connectionsOf('run-api.ts') + ofBoth;
const worker = connectionsOf('worker/run-worker.ts') + connectionsOf('metrics/stuck-metrics.ts') + ofBoth;

test('every pool of a process that stays is counted', () => {
  const commands = /^(admin|ops|doctor)\/|^start\.ts$/;
  const files = readdirSync(join(root, 'src/main'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !commands.test(file))
    .filter((file) => /connectionsMax: /.test(read(`src/main/${file}`)));
  expect(files.toSorted()).toEqual(['metrics/stuck-metrics.ts', 'run-api.ts', 'serve-ops.ts', 'worker/run-worker.ts']);
  for (const count of [api, worker]) expect(count).toBeGreaterThan(10);
});

test('what is said of connections is what the pools add up to', () => {
  const scaling = read('docs/scaling.md');
  expect(scaling).toContain(`An API has ${api} at most`);
  expect(scaling).toContain(`a worker ${worker} (`);
  expect(scaling).toContain(`3 APIs and 10 workers: ${3 * api + 10 * worker},`);
  expect(scaling).toContain(`| connections | 3 × ${api} + 9 × ${worker} = ${3 * api + 9 * worker} |`);
  expect(read('docs/deployment.md')).toContain(`up to ${api} connections of an API process\nand ${worker} of a worker`);
  expect(read('docker-compose.yml')).toContain(`Ours take ${api} an API and ${worker} a worker`);
});
