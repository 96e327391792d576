import type { Request } from 'express';
import type { Owned } from '../../db/webhooks/endpoints.ts';
import { checkUrl, HostileUrlError, type UrlPolicy } from '../../providers/hostile-url.ts';
import { callerOf } from '../auth/caller.ts';
import { newUuid } from '../new-uuid.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';

const endpointPattern = /^whe_[0-9a-f]{32}$/;
const deliveryPattern = /^whd_[0-9a-f]{32}$/;

export function newEndpointId(): string {
  return `whe_${newUuid().replaceAll('-', '')}`;
}

export function newDeliveryId(): string {
  return `whd_${newUuid().replaceAll('-', '')}`;
}

/** The endpoint that a path names. It may not exist, but its id is one. */
export function ownedEndpointOf(request: Request<{ id: string }>): Owned {
  return ownedOf(request, endpointPattern, '`whe_` and 32 hexadecimal digits');
}

export function ownedDeliveryOf(request: Request<{ id: string }>): Owned {
  return ownedOf(request, deliveryPattern, '`whd_` and 32 hexadecimal digits');
}

// oxlint-disable-next-line max-params -- the pattern and its words are one thing.
function ownedOf(request: Request<{ id: string }>, pattern: RegExp, form: string): Owned {
  const { id } = request.params;
  if (!pattern.test(id)) throw fieldProblem('invalid_id', '/id', `The id in the path has to be ${form}.`);
  return { id, tenant: callerOf(request).tenant };
}

export function endpointNotFound(): Problem {
  return new Problem('webhook_endpoint_not_found');
}

export function deliveryNotFound(): Problem {
  return new Problem('webhook_delivery_not_found');
}

export interface AskedPage {
  readonly after: string | null;
  readonly limit: number;
}

const limitDefault = 20;
const limitMax = 100;

/** `after` and `limit` of a list of endpoints, or of deliveries. More than the most is taken for the most. */
export function pageOf(request: Request, kind: 'endpoint' | 'delivery'): AskedPage {
  const pattern = kind === 'endpoint' ? endpointPattern : deliveryPattern;
  const { after, limit = String(limitDefault) } = request.query;
  if (after !== undefined && !(typeof after === 'string' && pattern.test(after)))
    throw fieldProblem('invalid_request', '/after', 'This has to be the last_id of the page before.');
  if (typeof limit !== 'string' || !/^[1-9]\d{0,8}$/.test(limit))
    throw fieldProblem('invalid_request', '/limit', 'This has to be a whole number from 1 on.');
  return { after: after ?? null, limit: Math.min(Number(limit), limitMax) };
}

/** As its text shows it. Where its name leads is for the one to find out who connects. */
export function webhookUrlOf(text: string, at: { readonly pointer: string; readonly policy: UrlPolicy }): string {
  try {
    return checkUrl(text, at.policy).href;
  } catch (error) {
    if (!(error instanceof HostileUrlError)) throw error;
    throw fieldProblem('invalid_webhook_url', at.pointer, `Webhooks can't be sent there. ${error.message}.`);
  }
}
