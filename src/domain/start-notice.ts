import { utc } from './account.ts';
import { limits } from './limits/limits.ts';
import type { Route } from './route.ts';

export interface StartedJob {
  readonly jobId: string;
  readonly tenant: string;
  readonly model: string;
  readonly route: Route;
  readonly acceptedAt: number;
}

/** What a list of workflows shows beside each job: ids, and never a word of the request. */
export function jobSummary({ tenant, model, acceptedAt }: Omit<StartedJob, 'route' | 'jobId'>): string {
  return short(`${model} for tenant ${tenant}, accepted ${utc(acceptedAt).slice(11, 16)} UTC`);
}

/** What stays true of a job from its start to its end, in Markdown. */
export function jobDetails({ jobId, tenant, model, route, acceptedAt }: StartedJob): string {
  const targets = route.map(({ name, pool }, index) => `${index + 1}. \`${name}\`, of pool \`${pool}\``);
  return [
    `Job \`${jobId}\` of tenant \`${tenant}\`: a video by \`${model}\`, accepted ${utc(acceptedAt)}.`,
    `Its route, in order:\n\n${targets.join('\n')}`,
    `To look closer: \`npm run ops -- show ${jobId}\`. Repairs are updates: \`pollNow\`, \`switchTarget\`, \`resubmit\`, ` +
      '`extendDeadline`, `giveUp`, each with `{"by": "your name", "reason": "why"}`.',
  ]
    .join('\n\n')
    .slice(0, limits.detailsCharsMax);
}

export interface StartedDelivery {
  readonly deliveryId: string;
  /** Null: a test, or its job is gone. */
  readonly jobId: string | null;
  readonly tenant: string;
}

export function deliverySummary({ jobId, tenant }: StartedDelivery): string {
  return short(`webhook of ${jobId ?? 'no job'} for tenant ${tenant}, whose first try failed`);
}

export interface DeliveryAccount {
  readonly deliveryId: string;
  readonly jobId: string | null;
  readonly tries: number;
  readonly nextTryAt: number;
}

/** A delivery's own account for Temporal UI, in Markdown. To whom it goes is in Postgres alone. */
export function deliveryAccount({ deliveryId, jobId, tries, nextTryAt }: DeliveryAccount): string {
  const job = jobId === null ? '' : `\n\nTo look closer: \`npm run ops -- show ${jobId}\``;
  return (
    `Delivery \`${deliveryId}\`${jobId === null ? '' : ` of job \`${jobId}\``}: **${tries} tries were made**, none was taken.\n\n` +
    `Next: try ${tries + 1}, at ${utc(nextTryAt)}.${job}`
  );
}

function short(text: string): string {
  return text.slice(0, limits.summaryCharsMax);
}
