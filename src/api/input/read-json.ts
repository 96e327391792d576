import { limits } from '../../domain/limits/limits.ts';
import { measureJson } from './measure-json.ts';
import { fieldProblem, Problem } from '../problems/problem.ts';

/** A body of JSON may hold one picture as a data URL, a third longer than its bytes. */
export const jsonWithImageBytesMax = Math.ceil((limits.imageBytesMax * 4) / 3) + limits.jsonBodyBytesMax;

/** Parses a body that must be one JSON object, within the limits of depth and size. */
export function parseJsonObject(bytes: Buffer): Record<string, unknown> {
  const measure = measureJson(bytes);
  if (measure.bytesBesidesLongestString > limits.jsonBodyBytesMax) throw tooLarge();
  if (measure.depth > limits.jsonDepthMax) {
    throw fieldProblem('invalid_request', '', `The body is nested deeper than ${limits.jsonDepthMax} levels.`);
  }
  const value = parse(bytes);
  if (!isObject(value)) throw fieldProblem('invalid_request', '', 'The body has to be a JSON object.');
  // Whoever stands in front of us may have looked at the other one.
  if (membersIn(value) !== measure.members)
    throw fieldProblem('invalid_request', '', 'A field comes more than once in the body, or within one of its fields.');
  return value;
}

/** Of a value that is known not to be nested too deeply. */
function membersIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members: readonly unknown[] = Object.values(value);
  return members.reduce<number>((sum, member) => sum + membersIn(member), Array.isArray(value) ? 0 : members.length);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function tooLarge(): Problem {
  return new Problem('body_too_large', {
    detail: `The body may have ${limits.jsonBodyBytesMax} bytes without its picture.`,
  });
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    // The parser's own message repeats the body.
    throw new Problem('invalid_json', { cause });
  }
}
