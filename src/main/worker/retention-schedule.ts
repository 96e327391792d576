import { type Client, ScheduleAlreadyRunning, type ScheduleOptions, ScheduleOverlapPolicy } from '@temporalio/client';
import { enforceRetentionType, retentionEveryMs, retentionScheduleId } from '../../contracts/enforce-retention.ts';
import { taskQueue } from '../../contracts/generate-video.ts';

/** For both calls, so that a round of the loop ends. */
const deadlineMs = 20_000;

/**
 * Creates the schedule of retention, or brings the one that is there up to date. Every worker does so at its start, and
 * whoever comes second writes the same once more. A pause that an operator set stays.
 */
export async function ensureRetentionSchedule(client: Client): Promise<void> {
  await client.withDeadline(Date.now() + deadlineMs, async () => {
    try {
      await client.schedule.create({ scheduleId: retentionScheduleId, ...settings });
    } catch (error) {
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      await client.schedule.getHandle(retentionScheduleId).update(({ state }) => ({ ...settings, state }));
    }
  });
}

/** A run that comes late has nothing to catch up with: the next one removes what is due by then. */
const settings = {
  spec: { intervals: [{ every: retentionEveryMs }] },
  policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1m' },
  action: { type: 'startWorkflow', workflowType: enforceRetentionType, workflowId: retentionScheduleId, taskQueue },
} satisfies Omit<ScheduleOptions, 'scheduleId'>;
