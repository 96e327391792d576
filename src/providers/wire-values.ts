/** What every vendor's answers are read with. Nothing of any one vendor belongs here. */

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function jsonBody(value: unknown): { readonly contentType: string; readonly bytes: Uint8Array } {
  return { contentType: 'application/json', bytes: Buffer.from(JSON.stringify(value)) };
}

/**
 * An operation's id goes into paths of ours, and it comes from the vendor or from whoever called our callback URL: one
 * path segment, without a leading dot.
 */
export function isSafeSegment(id: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$/.test(id);
}

/** A model id is the operator's, and is one or more such segments: `alibaba/wan-2.6/text-to-video`. */
export function isSafePath(id: string): boolean {
  return id.length <= 256 && id.split('/').every(isSafeSegment);
}

export function isWebUrl(value: unknown): value is string {
  return typeof value === 'string' && /^https?:\/\//i.test(value) && URL.canParse(value);
}
