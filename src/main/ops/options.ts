/** Every option of `npm run ops`; each command refuses those that it has no use for. */
export const opsOptions = {
  help: { type: 'boolean', short: 'h', default: false },
  json: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  cause: { type: 'string' },
  limit: { type: 'string' },
  // Of what changes something: who, why, and for how long.
  by: { type: 'string' },
  reason: { type: 'string' },
  for: { type: 'string' },
  force: { type: 'boolean' },
  target: { type: 'string' },
  seconds: { type: 'string' },
  id: { type: 'string' },
  outstanding: { type: 'string' },
  'per-minute': { type: 'string' },
  clear: { type: 'boolean' },
  // Of a restore: what was counted before, and is put up with.
  lost: { type: 'string' },
  unread: { type: 'string' },
  'videos-are-gone': { type: 'boolean' },
} as const;

type Option = (typeof opsOptions)[keyof typeof opsOptions];
type ValueOf<One extends Option> = One extends { type: 'boolean' } ? boolean : string | undefined;

export type OpsFlags = { readonly [Name in keyof typeof opsOptions]?: ValueOf<(typeof opsOptions)[Name]> };
