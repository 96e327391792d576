/** What a key may do. `admin` is for the operator's own calls. */
export const scopes = ['read', 'write', 'webhooks', 'admin'] as const;

export type Scope = (typeof scopes)[number];

/** What an operator has set for a tenant. Null: no limit, or no budget. */
export interface TenantLimits {
  readonly requestsPerMinute: number | null;
  /** Jobs that may wait at once: of the tenant, and of one of its users. */
  readonly queuedMax: number | null;
  readonly queuedPerUserMax: number | null;
  /** Jobs that are not final. */
  readonly outstandingMax: number | null;
  /** Millionths of a US dollar that may be reserved and spent in a day, and in a month, of UTC. */
  readonly dayBudgetUsdMicros: number | null;
  readonly monthBudgetUsdMicros: number | null;
}

/** A tenant that nobody has limited. */
export const noTenantLimits: TenantLimits = {
  requestsPerMinute: null,
  queuedMax: null,
  queuedPerUserMax: null,
  outstandingMax: null,
  dayBudgetUsdMicros: null,
  monthBudgetUsdMicros: null,
};

const tenantIdPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Whether a text may name a tenant: it becomes part of keys in the object store. */
export function isTenantId(text: string): boolean {
  return tenantIdPattern.test(text);
}

/** Whether a text names something that a key may do. */
export function isScope(text: string): text is Scope {
  return scopes.some((scope) => scope === text);
}
