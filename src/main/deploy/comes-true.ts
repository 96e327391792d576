import { setTimeout as delay } from 'node:timers/promises';
import { limits } from '../../domain/limits/limits.ts';

/** Looks every second whether Temporal says so. False once the time is over. */
export async function comesTrue(isSo: () => Promise<boolean>, withinSeconds: number): Promise<boolean> {
  const giveUpAt = performance.now() + withinSeconds * 1_000;
  while (!(await isSo())) {
    if (performance.now() >= giveUpAt) return false;
    await delay(limits.deploymentLookEveryMs);
  }
  return true;
}
