import { createHash } from 'node:crypto';

/** A stream of numbers in [0, 1) that is the same for the same keys, whatever else was drawn in between. */
export type Random = () => number;

/** Keyed streams instead of one shared stream: requests that overlap in time must not change each other's luck. */
export function randomFor(...keys: readonly (string | number)[]): Random {
  return mulberry32(hashText(keys.join('\u0000')));
}

/**
 * 32 hex digits, which each vendor writes its own way. A real hash: the streams above start from 32 bits, of which a
 * hundred thousand ids would very likely meet.
 */
export function hexId(...keys: readonly (string | number)[]): string {
  return createHash('sha256').update(keys.join('\u0000')).digest('hex').slice(0, 32);
}

/** The same digits as a UUID (version 4), for vendors whose ids look so. */
export function uuidOf(hex: string): string {
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5');
}

/** A standard normal draw (Box-Muller). */
export function gaussian(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** FNV-1a with a final avalanche, so that neighbouring ordinals land far apart. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
