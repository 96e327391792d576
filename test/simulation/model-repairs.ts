import { putMail } from './model-mail.ts';
import { attemptKey, type Part, type Tables } from './model-tables.ts';

type Repairs = Part<'showStuckJobs' | 'releaseLeakedPermits' | 'leaseSilentJobs' | 'restartWorkflow' | 'leaseZombies'>;

/** db/jobs/sweep.ts in part, and db/ledger/reconcile.ts. */
export function repairFunctions(tables: Tables): Repairs {
  const { now } = tables;
  return {
    showStuckJobs(stuckAfterMs) {
      const stuck = [...tables.tickets.values()].filter(
        ({ kind, acceptedAt, job }) =>
          kind === 'first' && acceptedAt < now() - stuckAfterMs && job.dispatchedAt === null,
      );
      for (const { job } of stuck) {
        job.dispatchedAt = now();
        putMail(tables, { job: job.id, kind: 'start' });
      }
      return stuck.length;
    },
    releaseLeakedPermits() {
      const leaked = [...tables.permits].filter(([key, { job }]) => {
        const attempt = tables.attempts.get(key);
        return attempt === undefined ? job.finishedAt !== null : attempt.endedAt !== null;
      });
      for (const [key] of leaked) tables.permits.delete(key);
      return leaked.length;
    },
    leaseSilentJobs(silentMs) {
      const before = now() - silentMs;
      const silent = [...tables.jobs.values()].filter(
        (job) =>
          job.finishedAt === null &&
          (job.dispatchedAt ?? Number.POSITIVE_INFINITY) < before &&
          ![...tables.mailbox.values()].some((mail) => mail.job === job.id && mail.kind === 'start') &&
          job.lastEventAt <= before &&
          (job.checkedAt ?? Number.NEGATIVE_INFINITY) < before,
      );
      for (const job of silent) job.checkedAt = now();
      return silent.map(({ id }) => id);
    },
    restartWorkflow(id) {
      const unused = [...tables.permits].find(([key, { job }]) => job.id === id && !tables.attempts.has(key))?.[1];
      const payload = unused && { attempt: unused.attempt, target: unused.index, grant: unused.grant };
      putMail(tables, { job: id, kind: 'start', ...(payload === undefined ? {} : { payload }) });
    },
    leaseZombies(everyMs) {
      const due = [...tables.permits.values()].flatMap((permit) => {
        const attempt = tables.attempts.get(attemptKey(permit.job.id, permit.attempt));
        if (attempt === undefined || attempt.endedAt !== null) return [];
        const longestMs = permit.job.route[attempt.index]?.longestMs ?? 0;
        const isExpired = attempt.submittedAt + longestMs < now();
        if (permit.zombieSince === null && !isExpired) return [];
        if (permit.checkedAt !== null && permit.checkedAt >= now() - everyMs) return [];
        permit.checkedAt = now();
        return [{ job: permit.job.id, attempt: permit.attempt, operation: attempt.operation, isExpired }];
      });
      return due;
    },
  };
}
