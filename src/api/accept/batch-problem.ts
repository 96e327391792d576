import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from './accept-batcher.ts';
import { Problem, temporaryProblem } from '../problems/problem.ts';

/** What to answer with when an item was not written in its batch. */
export function problemOfBatch(error: unknown): unknown {
  if (error instanceof BacklogFullError) return temporaryProblem('overloaded', error);
  if (error instanceof BatchUnansweredError) return temporaryProblem('database_unavailable', error.cause ?? error);
  if (!(error instanceof UnwritableItemError)) return error;
  return new Problem('invalid_request', {
    detail: 'The request holds something that can not be stored.',
    cause: error,
  });
}
