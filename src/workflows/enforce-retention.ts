import { proxyActivities, setWorkflowOptions } from '@temporalio/workflow';
import type { RetentionActivities, RetentionReport } from '../contracts/enforce-retention.ts';
import { limits } from '../domain/limits/limits.ts';
import { autoUpgrade } from './auto-upgrade.ts';
import { removeOptions } from './activity-options.ts';

const { removeExpired } = proxyActivities<RetentionActivities>({
  ...removeOptions,
  summary: 'removes what has expired',
});

/** Batch after batch until nothing is left, or so many that its history stays short: then the next run goes on. */
export async function enforceRetention(): Promise<RetentionReport> {
  let report: RetentionReport = { assets: 0, inputs: 0, uploads: 0, isMore: true };
  for (let round = 0; report.isMore && round < limits.retentionRoundsMax; round += 1) {
    const { assets, inputs, uploads, isMore } = await removeExpired();
    report = {
      assets: report.assets + assets,
      inputs: report.inputs + inputs,
      uploads: report.uploads + uploads,
      isMore,
    };
  }
  return report;
}

/** Its activities are to be those of today, also in a run that has begun yesterday. */
setWorkflowOptions(autoUpgrade, enforceRetention);
