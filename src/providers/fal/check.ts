import { failureOf } from '../../domain/failure.ts';
import type { OperationHandle, Progress } from '../provider.ts';
import { anotherOperation, endOfQuestion, missingOperation } from '../refusal.ts';
import { ask, type Answer } from '../vendor-client.ts';
import type { FalClient } from './client.ts';
import { failureOfEvidence, failureOfRefusal, isTelling } from './failures.ts';
import { pathOf, requestIdOf } from './operation.ts';
import { evidenceOf, progressOfOutput, readError, readState, typesIn, type Evidence, type State } from './wire.ts';

/** Asks for the state and, once that is `COMPLETED`, for the result: which may be an error (section 3.2). */
export async function check({ queue }: FalClient, handle: OperationHandle): Promise<Progress> {
  const path = pathOf(handle);
  const answer = await ask(queue, { method: 'GET', path: `${path}/status` });
  const state = answer.successful ? readState(answer.json) : undefined;
  if (!state) return progressOfNoState(answer);
  if ((state.request_id ?? requestIdOf(handle.operation)) !== requestIdOf(handle.operation)) throw anotherOperation();
  switch (state.status.toUpperCase()) {
    case 'IN_QUEUE':
      return { kind: 'queued' };
    case 'COMPLETED':
      break;
    default:
      // A status that we don't know counts as running: our own deadlines end it.
      return { kind: 'running' };
  }
  const said = errorIn(state);
  if (said && isTelling(said)) return failed(said);
  const result = await ask(queue, { method: 'GET', path });
  return progressOfResult(result, { said, requestId: requestIdOf(handle.operation) });
}

/** Only in the vendor's own form: the HTML of a gateway that lost its routes says nothing of the operation. */
function progressOfNoState(answer: Answer): Progress {
  if (answer.status === 404 && readError(answer.json)) return { kind: 'failed', failure: missingOperation() };
  throw endOfQuestion(answer, failureOfRefusal(answer));
}

/** `COMPLETED` covers failures: then the state has an error, with or without a type. */
function errorIn({ error, error_type: type }: State): Evidence | undefined {
  const hasError = error !== undefined && error !== null && error !== '';
  const types = typesIn(type);
  return hasError || types.length > 0 ? { types } : undefined;
}

interface Known {
  /** The error in the state, where its type does not tell the class. */
  readonly said: Evidence | undefined;
  readonly requestId: string;
}

/** The result decides: a video is a video, whatever the state said of it. */
function progressOfResult(answer: Answer, known: Known): Progress {
  const { said } = known;
  if (answer.successful && isObject(answer.json)) {
    const progress = progressOfOutput(answer.json);
    return progress.kind === 'failed' && said ? failed(said) : progress;
  }
  if (!isWordOfModel(answer, known)) throw endOfQuestion(answer, failureOfRefusal(answer));
  if (goneStatuses.includes(answer.status)) {
    if (said) return failed(said);
    return { kind: 'failed', failure: failureOf('output_expired', { vendorCode: `http_${answer.status}` }) };
  }
  const evidence = evidenceOf(answer);
  return failed({ ...evidence, types: [...evidence.types, ...(said?.types ?? [])] });
}

const goneStatuses: readonly number[] = [404, 410];
const accountStatuses: readonly number[] = [401, 403, 429];
const requestStatuses: readonly number[] = [400, 413, 415, 422];

/**
 * Whether an error is what became of the request, and not of our question about it: the one ends an attempt that may
 * be paid for, the other is asked again. A failed model's own status and body come back here; the request's id in the
 * header marks them for certain.
 */
function isWordOfModel(answer: Answer, { said, requestId }: Known): boolean {
  if (answer.successful) return false;
  const marked = answer.headers['x-fal-request-id'] === requestId;
  if (accountStatuses.includes(answer.status)) return marked && said !== undefined;
  if (marked) return true;
  const error = readError(answer.json);
  if (!error || said) return error !== undefined;
  // `Request is still in progress` comes this way: the state may be ahead of the result.
  if (answer.status === 400 && !error.isOfModel) return isTelling(evidenceOf(answer));
  return [...goneStatuses, ...requestStatuses].includes(answer.status);
}

function failed(evidence: Evidence): Progress {
  return { kind: 'failed', failure: failureOfEvidence(evidence) };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
