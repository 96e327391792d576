import { limits } from '../../domain/limits/limits.ts';
import type { FieldError } from '../problems/problem.ts';

/**
 * Finds what no text of ours may hold, in values and in keys: Postgres takes neither a NUL nor half a surrogate pair, and
 * `__proto__` is dropped silently by whoever copies an object. Also numbers that JSON writes and nothing can hold.
 */
export function findTextFault(value: unknown, pointer = '', depth = 0): FieldError | undefined {
  if (typeof value === 'string') return faultOfText(value, pointer);
  if (typeof value === 'number' && !Number.isFinite(value)) return { pointer, message: 'The number is out of range.' };
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= limits.jsonDepthMax)
    return { pointer, message: `The value is nested deeper than ${limits.jsonDepthMax} levels.` };
  for (const [key, member] of Object.entries(value)) {
    const below = `${pointer}/${escapePointer(key)}`;
    const fault = faultOfKey(key, pointer) ?? findTextFault(member, below, depth + 1);
    if (fault) return fault;
  }
  return undefined;
}

/** A key as a step of a JSON pointer (RFC 6901). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function faultOfText(text: string, pointer: string): FieldError | undefined {
  if (text.includes('\0')) return { pointer, message: 'The text contains a NUL character.' };
  if (/\p{Surrogate}/u.test(text)) return { pointer, message: 'The text contains half of a surrogate pair.' };
  return undefined;
}

/** The pointer names the object: a key that can't be stored can't be repeated in an answer either. */
function faultOfKey(key: string, pointer: string): FieldError | undefined {
  if (key === '__proto__') return { pointer: `${pointer}/__proto__`, message: 'The field is unknown.' };
  const fault = faultOfText(key, pointer);
  return fault && { pointer, message: fault.message.replace('The text', 'A key') };
}
