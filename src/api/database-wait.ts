import { limits } from '../domain/limits/limits.ts';
import { temporaryProblem } from './problems/problem.ts';

/** There was no answer from the database, or one that says nothing of the request. Another try may succeed. */
class DatabaseSilentError extends Error {
  override name = 'DatabaseSilentError';
}

/** The time that all statements of one request have together. */
export interface DatabaseWait {
  /** Waits for a statement as long as is left; a database that can't answer is a 503 and not a fault. */
  answered<Result>(statement: Promise<Result>): Promise<Result>;
  /** Waits for something else, which has a deadline of its own and does not count. */
  besides<Result>(work: Promise<Result>): Promise<Result>;
  leftMs(): number;
}

/** Begins the wait of one request. */
export function beginDatabaseWait(waitMsMax: number = limits.databaseWaitMsMax): DatabaseWait {
  let deadline = performance.now() + waitMsMax;
  const leftMs = (): number => Math.max(0, deadline - performance.now());
  return {
    leftMs,
    async answered(statement) {
      try {
        return await within(statement, leftMs());
      } catch (error) {
        throw isFaultOfStatement(error) ? error : temporaryProblem('database_unavailable', error);
      }
    },
    async besides(work) {
      const start = performance.now();
      return await work.finally(() => (deadline += performance.now() - start));
    },
  };
}

/** As `answered`, of what has to be left again: it may come when nobody waits for it any more, and is left then. */
export async function answeredOrLeft<Result extends { leave(): void } | undefined>(
  wait: DatabaseWait,
  joining: Promise<Result>,
): Promise<Result> {
  try {
    return await wait.answered(joining);
  } catch (error) {
    void joining.then(
      (late) => late?.leave(),
      () => undefined,
    );
    throw error;
  }
}

/** Rejects when a promise takes too long. The work behind it goes on, and its late end is nobody's concern. */
export async function within<Result>(work: Promise<Result>, waitMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DatabaseSilentError(`no answer within ${waitMs} ms`)), waitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The row can't be stored, ever: classes 22 (data), 23 (constraint) and 54 (a limit of the server). */
export function isFaultOfRow(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlState(error));
}

/** Postgres understood, and refused for what the statement or its values are. Trying again changes nothing. */
function isFaultOfStatement(error: unknown): boolean {
  if (error instanceof TypeError) return true;
  return /^(0A|21|22|23|26|2F|42|54|P0|XX)/.test(sqlState(error));
}

/** Postgres' code of an error, or nothing: an error of the network has a `code` too, but no `severity`. */
function sqlState(error: unknown): string {
  if (!(error instanceof Error) || !('severity' in error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
