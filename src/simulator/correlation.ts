/** The attempt in a callback URL `…/{attempt}/{token}`: the last path segment but one. */
export function correlationOf(webhook: string | undefined): string | undefined {
  if (webhook === undefined || !URL.canParse(webhook)) return undefined;
  return new URL(webhook).pathname.split('/').filter(Boolean).at(-2);
}
