const quote = 0x22;
const backslash = 0x5c;
const opening = new Set([0x7b, 0x5b]);
const closing = new Set([0x7d, 0x5d]);
const colon = 0x3a;

export interface JsonMeasure {
  readonly depth: number;
  /** Bytes without the longest string, which may be a picture. */
  readonly bytesBesidesLongestString: number;
  /** Of all objects in it, as they are written: the parser keeps but the last of two with one name. */
  readonly members: number;
}

/** Measures JSON before anybody parses it: a few megabytes of brackets would become hundreds in memory. */
export function measureJson(bytes: Buffer): JsonMeasure {
  let depth = 0;
  let depthMax = 0;
  let longest = 0;
  let members = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === quote) {
      const end = endOfString(bytes, index);
      longest = Math.max(longest, end - index);
      index = end;
    } else if (opening.has(byte)) {
      depth += 1;
      depthMax = Math.max(depthMax, depth);
    } else if (closing.has(byte)) {
      depth -= 1;
    } else if (byte === colon) {
      members += 1;
    }
  }
  return { depth: depthMax, bytesBesidesLongestString: bytes.length - longest, members };
}

/** The index of the quote that ends the string, or the end of everything. */
function endOfString(bytes: Buffer, start: number): number {
  for (let end = bytes.indexOf(quote, start + 1); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    if (!isEscaped(bytes, end)) return end;
  }
  return bytes.length;
}

function isEscaped(bytes: Buffer, index: number): boolean {
  let backslashes = 0;
  while (bytes[index - 1 - backslashes] === backslash) backslashes += 1;
  return backslashes % 2 === 1;
}
