import { Context } from '@temporalio/activity';
import { askToLook } from '../db/mailbox/callbacks.ts';
import type { AttemptPlace } from '../db/jobs/assets.ts';
import { limits } from '../domain/limits/limits.ts';
import type { ActivityDeps } from './deps.ts';

/**
 * Wakes the workflow of a copy that is late, so that it shows as stuck: a timer in the workflow would cost each healthy copy two
 * events. Returns how to stop. Once a try, and tries are a minute apart by then.
 */
export function tellLateCopy({ db, log }: Pick<ActivityDeps, 'db' | 'log'>, place: AttemptPlace): () => void {
  const lateAt = Context.current().info.scheduledTimestampMs + limits.copyLateMs;
  const timer = setTimeout(
    () => {
      askToLook(db, place).catch((error: unknown) =>
        log.warn({ err: error, job: place.jobId }, 'a late copy could not be told of'),
      );
    },
    Math.max(0, lateAt - Date.now()),
  );
  timer.unref();
  return () => clearTimeout(timer);
}
