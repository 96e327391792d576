import type { Request } from 'express';
import type { JobId } from '../../domain/job.ts';
import type { Scope, TenantLimits } from '../../domain/tenant.ts';

/** Who sent a request, as its key or token says. */
export interface Caller {
  readonly tenant: string;
  /** Null: the operator's static key, no key on loopback, or a client token. */
  readonly keyId: string | null;
  readonly scopes: readonly Scope[];
  /** A client token speaks for this job alone. Null: for all of the tenant's. */
  readonly jobId: JobId | null;
  readonly limits: TenantLimits;
}

const callers = new WeakMap<Request, Caller>();

/** Said once, by the middleware that has authenticated the request. */
export function setCaller(request: Request, caller: Caller): void {
  callers.set(request, caller);
}

/** Every route behind authentication has one. */
export function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error('assertion failed: the request was not authenticated');
  return caller;
}

/** Undefined: nobody has asked yet who it is. */
export function findCaller(request: Request): Caller | undefined {
  return callers.get(request);
}
