import type { MultipartBody } from './read-multipart.ts';
import { fieldProblem } from '../problems/problem.ts';
import { isObject } from './read-json.ts';

/**
 * Turns the fields of a form into what JSON would have had: `metadata[a]` is an entry of an object, `fallback[]` or a
 * repeated `fallback` an entry of a list, and numbers and booleans come as text.
 */
export function objectOfForm(fields: MultipartBody['fields']): Record<string, unknown> {
  const values = new Map<string, unknown>();
  for (const [name, text] of fields) {
    const [, base, key] = /^([^[\]]*)\[([^[\]]*)\]$/.exec(name) ?? [];
    if (base === undefined || key === undefined) setScalar(values, name, text);
    else if (key === '') values.set(base, [...listOf(values.get(base)), text]);
    else setEntry(values, base, [key, text]);
  }
  return Object.fromEntries(values);
}

const numbers = new Set(['seconds', 'seed', 'patience_seconds', 'queue_ttl_seconds', 'max_cost_usd']);

function setScalar(values: Map<string, unknown>, name: string, text: string): void {
  const earlier = values.get(name);
  if (name === 'fallback' && earlier !== undefined) values.set(name, [...listOf(earlier), text]);
  else if (earlier !== undefined) throw repeated(name);
  else values.set(name, valueOf(name, text));
}

function setEntry(values: Map<string, unknown>, base: string, [key, text]: [string, string]): void {
  const earlier = values.get(base) ?? {};
  if (!isObject(earlier) || Object.hasOwn(earlier, key)) throw repeated(`${base}[${key}]`);
  // Not by assignment: `__proto__` has to arrive as a field, to be refused as one.
  values.set(base, Object.fromEntries([...Object.entries(earlier), [key, text]]));
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function repeated(name: string) {
  return fieldProblem('invalid_request', `/${name}`, 'The field comes more than once.');
}

/** What can't be read stays text, and the schema says what it should have been. */
function valueOf(name: string, text: string): unknown {
  if (numbers.has(name)) return /^-?\d{1,15}(\.\d{1,20})?(e[+-]?\d{1,3})?$/i.test(text) ? Number(text) : text;
  if (name === 'audio') return text === 'true' ? true : text === 'false' ? false : text;
  if (name === 'metadata') return jsonOr(text);
  if (name === 'fallback' && text !== 'auto' && text !== 'none') return text.startsWith('[') ? jsonOr(text) : [text];
  return text;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
