import {
  continueAsNew,
  defineQuery,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  setWorkflowOptions,
  sleep,
} from '@temporalio/workflow';
import { type OverviewActivities, overviewQueryName } from '../contracts/overview.ts';
import { limits } from '../domain/limits/limits.ts';
import { overviewText } from '../domain/overview-text.ts';
import type { Overview } from '../domain/overview.ts';
import { autoUpgrade } from './auto-upgrade.ts';
import { overviewOptions } from './activity-options.ts';

const overviewQuery = defineQuery<Overview | undefined>(overviewQueryName);
const { readOverview } = proxyLocalActivities<OverviewActivities>({
  ...overviewOptions,
  summary: 'read how all stands',
});

/** Reads and shows, once a minute. Current details cost no history; each round costs one timer and one marker. */
export async function overview(): Promise<void> {
  let last: Overview | undefined;
  setHandler(overviewQuery, () => last);
  for (let round = 0; round < limits.overviewRoundsMax; round += 1) {
    const read = await readOrNull();
    last = read ?? last;
    setCurrentDetails(read === null ? staleText(last) : overviewText(read));
    await sleep(limits.overviewEveryMs, { summary: 'until it is read anew' });
  }
  await continueAsNew<typeof overview>();
}

/** Also when it took too long. */
async function readOrNull(): Promise<Overview | null> {
  try {
    return await readOverview();
  } catch {
    return null;
  }
}

function staleText(last: Overview | undefined): string {
  const known = last === undefined ? 'Nothing has been read yet.' : overviewText(last);
  return `**Postgres could not be read; what follows is old.**\n\n${known}`;
}

/** It stands for good, so the next build takes it over: what it shows may change freely, its commands by `patched()` alone. */
setWorkflowOptions(autoUpgrade, overview);
