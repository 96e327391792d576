import { assert } from '../../domain/assert.ts';
import type { OperationHandle } from '../provider.ts';
import { isSafePath, isSafeSegment } from '../wire-values.ts';

/**
 * Where a request is asked about. fal's documents say to use the URLs that the submit returns, while its official
 * client builds them from the endpoint's id (reference on providers, section 3.1). We build them as well, so that the
 * plain id is all that has to be kept; where the vendor returned something else, its path is kept beside the id.
 */
export interface Returned {
  readonly requestId: string;
  readonly statusUrl: string | undefined;
}

interface Place {
  /** The endpoint's id. */
  readonly model: string;
  readonly baseUrl: string;
}

/** Whether a request to this endpoint can be asked about afterwards. */
export function isEndpointId(model: string): boolean {
  return isSafePath(model) && appOf(model) !== undefined;
}

/**
 * The operation as the ledger keeps it: the id, or `<id>@<path>` where the vendor named another path below the base URL.
 * A callback names the plain id, which then matches nothing, so that such an operation is carried by the poll alone. A
 * URL outside the base is not followed: our key goes to the configured place only.
 */
export function operationOf({ requestId, statusUrl }: Returned, { model, baseUrl }: Place): string {
  const returned = pathBelow(baseUrl, statusUrl);
  const asBuilt = returned === undefined || returned === builtPath(model, requestId);
  // What does not hold the id may be about anything.
  return asBuilt || !returned.split('/').includes(requestId) ? requestId : `${requestId}@${returned}`;
}

/** The request's path below the base URL; its state is at `/status` below that, and its end at `/cancel`. */
export function pathOf({ operation, model }: OperationHandle): string {
  const id = requestIdOf(operation);
  const path = operation === id ? builtPath(model, id) : operation.slice(id.length + 1);
  assert(isSafePath(path), 'an operation was kept whose path is not safe');
  return `/${path}`;
}

export function requestIdOf(operation: string): string {
  const [id = ''] = operation.split('@');
  assert(isSafeSegment(id), 'an operation id was kept that is not safe in a path');
  return id;
}

/** Of an endpoint's id only owner and alias are kept, behind the namespace if it has one. */
function appOf(model: string): string | undefined {
  const segments = model.split('/');
  const kept = segments[0] === 'workflows' || segments[0] === 'comfy' ? 3 : 2;
  return segments.length < kept ? undefined : segments.slice(0, kept).join('/');
}

function builtPath(model: string, requestId: string): string {
  const app = appOf(model);
  assert(app !== undefined, 'an operation was kept without the endpoint that it belongs to');
  return `${app}/requests/${requestId}`;
}

/** What a status URL names below the base, without its last segment; `undefined` when we could not ask there. */
function pathBelow(baseUrl: string, statusUrl: string | undefined): string | undefined {
  if (statusUrl === undefined || !URL.canParse(statusUrl)) return undefined;
  const base = new URL(baseUrl);
  const url = new URL(statusUrl);
  const root = `${base.pathname.replace(/\/+$/, '')}/`;
  const inside = url.origin === base.origin && !url.username && !url.password && url.pathname.startsWith(root);
  if (!inside || !url.pathname.endsWith('/status')) return undefined;
  const path = url.pathname.slice(root.length, -'/status'.length);
  return isSafePath(path) ? path : undefined;
}
