import type { Request } from 'express';
import parseRange from 'range-parser';
import type { ByteRange } from '../../storage/object-store.ts';

/** What a stored body is to its readers: its length, and the tag of its bytes. */
export interface Representation {
  readonly bytes: number;
  /** Strong, in its quotes. */
  readonly etag: string;
}

/**
 * The part that a GET asks for; `none` where the body has none of it. What is malformed, in other units or several parts
 * at once is ignored, which RFC 9110 allows: the answer is the whole. So it is on the condition of another tag.
 */
export function rangeOf(
  request: Request<{ id: string }>,
  { bytes, etag }: Representation,
): ByteRange | 'whole' | 'none' {
  const header = request.get('range');
  if (header === undefined || !/^bytes=/i.test(header)) return 'whole';
  if ((request.get('if-range') ?? etag) !== etag) return 'whole';
  const ranges = parseRange(bytes, header);
  if (ranges === -2) return 'whole';
  // The end of a body, longer than all of it, is all of it. The package knows no such end.
  if (ranges === -1) return /^bytes=-0*[1-9]\d*$/i.test(header) ? { start: 0, end: bytes - 1 } : 'none';
  const [only, ...more] = ranges;
  return only === undefined || more.length > 0 ? 'whole' : { start: only.start, end: only.end };
}
