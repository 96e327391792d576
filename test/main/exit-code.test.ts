import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

/** Whatever keeps processes running starts those anew that ended badly. */
test('a command that ends in order does not hide that a part of it has died', () => {
  const exitCodeOf = (...before: readonly string[]): number | null =>
    spawnSync(process.execPath, ['--import', 'tsx', ...before, 'src/main/cli.ts', '--help'], {
      cwd: join(import.meta.dirname, '../..'),
      timeout: 60_000,
    }).status;
  expect(exitCodeOf()).toBe(0);
  expect(exitCodeOf('--import', 'data:text/javascript,process.exitCode=1')).toBe(1);
}, 120_000);
