import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { root } from './root.ts';

/** Builds what is measured: the code as it would be deployed, not as `tsx` runs it. */
export async function build(): Promise<void> {
  const child = spawn('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
  await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error('`npm run build` failed, so there is nothing to measure.');
}
