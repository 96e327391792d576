import type pg from 'pg';
import { asOnlyOne } from '../db/only-one.ts';
import { type ShowSettings, showRefusedJobs, tellShownJobs } from '../db/stuck/shown-jobs.ts';

export interface FollowDeps extends ShowSettings {
  readonly pool: pg.Pool;
  readonly onShown: (count: number) => void;
}

/**
 * Shows a few of each line whose provider refuses everybody, and tells those who are seen already why they wait now. One
 * process at a time: two would each show as many as one may.
 */
export async function followRefusals({ pool, onShown, ...settings }: FollowDeps): Promise<boolean> {
  return await asOnlyOne(pool, 'refusals', async () => {
    onShown(await showRefusedJobs(pool, settings));
    await tellShownJobs(pool, settings);
  });
}
