import { expect, test } from 'vitest';
import { createLimiter } from '../../src/api/check-limiter.ts';
import { objectOfForm } from '../../src/api/input/form-fields.ts';
import { canonicalJson } from '../../src/api/accept/idempotency.ts';
import { splitImage } from '../../src/api/input/image-reference.ts';
import { measureJson } from '../../src/api/input/measure-json.ts';
import { Problem } from '../../src/api/problems/problem.ts';
import { parseJsonObject } from '../../src/api/input/read-json.ts';
import { parseVideoWish } from '../../src/api/schemas.ts';
import { findTextFault } from '../../src/api/input/text-check.ts';

/** The problem that something throws, as its code and the fields it names. */
function problemOf(action: () => unknown): [string, ...string[]] {
  try {
    action();
  } catch (error) {
    if (error instanceof Problem) return [error.kind, ...(error.detail.errors ?? []).map(({ pointer }) => pointer)];
    throw error;
  }
  return ['none'];
}

test.each([
  ['{}', 1],
  ['[[[]]]', 3],
  ['{"a":"[[[["}', 1],
  [String.raw`{"a":"\"[[["}`, 1],
  [String.raw`{"a":"\\","b":[[]]}`, 3],
  ['{"a":"unterminated [[[', 1],
])('the depth of %s is %i', (json, depth) => {
  expect(measureJson(Buffer.from(json)).depth).toBe(depth);
});

test('the longest string does not count', () => {
  const json = JSON.stringify({ a: 'x'.repeat(100), b: 'y'.repeat(5_000) });
  expect(measureJson(Buffer.from(json)).bytesBesidesLongestString).toBeLessThan(120);
});

test.each([
  ['', 'invalid_json'],
  ['{', 'invalid_json'],
  ['{"a":1,}', 'invalid_json'],
  ['[]', 'invalid_request'],
  ['null', 'invalid_request'],
  ['"text"', 'invalid_request'],
  ['['.repeat(33), 'invalid_request'],
  ['['.repeat(60_000), 'invalid_request'],
  [`{"a":"${'x'.repeat(70_000)}","b":"${'y'.repeat(70_000)}"}`, 'body_too_large'],
])('JSON %.20s is refused', (json, code) => {
  expect(problemOf(() => parseJsonObject(Buffer.from(json)))[0]).toBe(code);
});

test('bytes that are not UTF-8 are refused', () => {
  expect(problemOf(() => parseJsonObject(Buffer.from('7b2261223a22ff227d', 'hex')))).toEqual(['invalid_json']);
});

test.each([
  [{ prompt: 'a\0b' }, '/prompt'],
  [{ prompt: '\ud800' }, '/prompt'],
  [{ metadata: { k: '\udfff x' } }, '/metadata/k'],
  [{ metadata: { 'k\0': 'v' } }, '/metadata'],
  [{ metadata: { 'k\ud83d': 'v' } }, '/metadata'],
  [{ 'a/b~c': 'x\0' }, '/a~1b~0c'],
  [{ list: ['ok', 'x\0'] }, '/list/1'],
  [JSON.parse('{"seed":1e999}'), '/seed'],
  [JSON.parse('{"__proto__":{"a":1}}'), '/__proto__'],
  [JSON.parse('{"metadata":{"__proto__":"x"}}'), '/metadata/__proto__'],
])('what can not be stored is found: %j', (value, pointer) => {
  expect(findTextFault(value)?.pointer).toBe(pointer);
});

test('ordinary text of any script passes', () => {
  expect(findTextFault({ prompt: 'Ein Fuchs 🦊 läuft\n\tüber 雪', metadata: { emoji: '👩‍👩‍👧' } })).toBeUndefined();
});

const valid = { prompt: 'a fox' };

test('defaults are filled in, and text is composed', () => {
  expect(parseVideoWish({ prompt: 'e\u0301' })).toEqual({
    prompt: '\u00e9',
    priority: 'normal',
    fallback: 'auto',
    queue_ttl_seconds: 86_400,
  });
});

test.each([
  ['seconds as text', { seconds: '10' }],
  ['seconds as a number', { seconds: 10 }],
  ['the longest prompt, by characters', { prompt: '🦊'.repeat(5_000) }],
  ['sixteen entries', { metadata: Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`k${index}`, ''])) }],
  ['a list of models', { fallback: ['a', 'b'] }],
  ['no fallback', { fallback: 'none' }],
  ['the largest seed', { seed: 2_147_483_647 }],
  [
    'everything',
    {
      model: 'm',
      size: '1280x720',
      negative_prompt: '',
      audio: false,
      user: 'u',
      priority: 'high',
      patience_seconds: 60,
      max_cost_usd: 0.5,
    },
  ],
])('taken: %s', (_name, fields) => {
  expect(problemOf(() => parseVideoWish({ ...valid, ...fields }))).toEqual(['none']);
});

test.each([
  [{ prompt: undefined }, '/prompt'],
  [{ prompt: '' }, '/prompt'],
  [{ prompt: ' \n\t ' }, '/prompt'],
  [{ prompt: null }, '/prompt'],
  [{ prompt: 5 }, '/prompt'],
  [{ prompt: ['a'] }, '/prompt'],
  [{ prompt: 'x'.repeat(5_001) }, '/prompt'],
  [{ model: '' }, '/model'],
  [{ model: 5 }, '/model'],
  [{ model: 'x'.repeat(129) }, '/model'],
  [{ seconds: 0 }, '/seconds'],
  [{ seconds: -5 }, '/seconds'],
  [{ seconds: 1.5 }, '/seconds'],
  [{ seconds: '5s' }, '/seconds'],
  [{ seconds: '' }, '/seconds'],
  [{ seconds: null }, '/seconds'],
  [{ seconds: 99_999 }, '/seconds'],
  [{ seconds: true }, '/seconds'],
  [{ size: '1280*720' }, '/size'],
  [{ size: '0x0' }, '/size'],
  [{ size: 720 }, '/size'],
  [{ size: '1280x720; DROP TABLE jobs' }, '/size'],
  [{ seed: -1 }, '/seed'],
  [{ seed: 2_147_483_648 }, '/seed'],
  [{ seed: 1.5 }, '/seed'],
  [{ seed: '5' }, '/seed'],
  [{ negative_prompt: 'x'.repeat(2_501) }, '/negative_prompt'],
  [{ audio: 'yes' }, '/audio'],
  [{ user: 'x'.repeat(129) }, '/user'],
  [{ user: {} }, '/user'],
  [{ metadata: 'a' }, '/metadata'],
  [{ metadata: [] }, '/metadata'],
  [{ metadata: { a: 1 } }, '/metadata/a'],
  [{ metadata: { a: 'x'.repeat(513) } }, '/metadata/a'],
  [{ metadata: { ['k'.repeat(65)]: 'v' } }, `/metadata/${'k'.repeat(65)}`],
  [{ metadata: { '': 'v' } }, '/metadata/'],
  [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, ''])) }, '/metadata'],
  [{ priority: 'urgent' }, '/priority'],
  [{ priority: 0 }, '/priority'],
  [{ fallback: 'some' }, '/fallback'],
  [{ fallback: [5] }, '/fallback'],
  [{ fallback: Array.from({ length: 9 }, () => 'm') }, '/fallback'],
  [{ patience_seconds: 59 }, '/patience_seconds'],
  [{ patience_seconds: 3_601 }, '/patience_seconds'],
  [{ queue_ttl_seconds: 9 }, '/queue_ttl_seconds'],
  [{ queue_ttl_seconds: 604_801 }, '/queue_ttl_seconds'],
  [{ queue_ttl_seconds: Number.NaN }, '/queue_ttl_seconds'],
  [{ max_cost_usd: 0 }, '/max_cost_usd'],
  [{ max_cost_usd: -1 }, '/max_cost_usd'],
  [{ max_cost_usd: '1' }, '/max_cost_usd'],
  [{ provider_options: {} }, '/provider_options'],
  [{ webhook_url: 5 }, '/webhook_url'],
  [{ tenant: 'other' }, '/tenant'],
  [{ 'a/b': 1 }, '/a~1b'],
  [{ constructor: 1 }, '/constructor'],
])('refused: %j', (fields, pointer) => {
  expect(problemOf(() => parseVideoWish({ ...valid, ...fields }))).toEqual(['invalid_request', pointer]);
});

test('every wrong field is named', () => {
  expect(problemOf(() => parseVideoWish({ prompt: '', seconds: 'x', extra: 1 }))).toEqual([
    'invalid_request',
    '/prompt',
    '/seconds',
    '/extra',
  ]);
});

test('the fields of a form become what JSON would have had', () => {
  const fields = [
    ['prompt', '5'],
    ['seconds', '10'],
    ['seed', '7'],
    ['audio', 'false'],
    ['metadata[a]', '1'],
    ['metadata[b]', '2'],
    ['fallback[]', 'x'],
    ['fallback[]', 'y'],
    ['max_cost_usd', '1.5'],
    ['patience_seconds', 'soon'],
  ] as const;
  expect(objectOfForm(fields)).toEqual({
    prompt: '5',
    seconds: 10,
    seed: 7,
    audio: false,
    metadata: { a: '1', b: '2' },
    fallback: ['x', 'y'],
    max_cost_usd: 1.5,
    patience_seconds: 'soon',
  });
});

test.each([
  [[['fallback', 'none']], { fallback: 'none' }],
  [[['fallback', '["a","b"]']], { fallback: ['a', 'b'] }],
  [
    [
      ['fallback', 'a'],
      ['fallback', 'b'],
    ],
    { fallback: ['a', 'b'] },
  ],
  [[['metadata', '{"a":"b"}']], { metadata: { a: 'b' } }],
  [[['metadata', '{']], { metadata: '{' }],
] as const)('form %j', (fields, expected) => {
  expect(objectOfForm(fields)).toEqual(expected);
});

test.each([
  [
    [
      ['prompt', 'a'],
      ['prompt', 'b'],
    ],
    '/prompt',
  ],
  [
    [
      ['metadata[a]', '1'],
      ['metadata[a]', '2'],
    ],
    '/metadata[a]',
  ],
  [
    [
      ['metadata', 'x'],
      ['metadata[a]', '2'],
    ],
    '/metadata[a]',
  ],
] as const)('a repeated field is refused: %j', (fields, pointer) => {
  expect(problemOf(() => objectOfForm(fields))).toEqual(['invalid_request', pointer]);
});

test('a form can not reach a prototype', () => {
  const body = objectOfForm([
    ['__proto__[polluted]', 'x'],
    ['metadata[__proto__]', 'y'],
  ]);
  expect(findTextFault(body)?.pointer).toContain('__proto__');
  expect(Object.getPrototypeOf({})).not.toHaveProperty('polluted');
});

const png = `data:image/png;base64,${Buffer.from('picture').toString('base64')}`;

test.each([
  [{ input_reference: png }],
  [{ input_reference: { image_url: png } }],
  [{ 'input_reference[image_url]': png }],
])('a picture is found in %j', (body) => {
  const reference = { kind: 'bytes', bytes: Buffer.from('picture') };
  expect(splitImage({ ...body, prompt: 'p' })).toEqual({ fields: { prompt: 'p' }, reference });
});

test.each([
  [{ input_reference: 'https://example.com/a.png' }],
  [{ input_reference: ' https://example.com/a.png' }],
  [{ input_reference: { image_url: 'HTTPS://Example.com:443/a.png' } }],
  [{ 'input_reference[image_url]': 'https://example.com/a.png' }],
])('a URL is found in %j, and kept as the parser has it', (body) => {
  const reference = { kind: 'url', url: 'https://example.com/a.png' };
  expect(splitImage({ ...body, prompt: 'p' })).toEqual({ fields: { prompt: 'p' }, reference });
});

test.each([
  [{ input_reference: 'upload_1' }, '/input_reference'],
  [{ input_reference: { file_id: 'upload_1' } }, '/input_reference/file_id'],
])('the id of an upload is found in %j', (body, pointer) => {
  expect(splitImage(body)).toEqual({ fields: {}, reference: { kind: 'upload', uploadId: 'upload_1', pointer } });
});

test('a body without a picture has none', () => {
  expect(splitImage({ prompt: 'p' })).toEqual({ fields: { prompt: 'p' }, reference: undefined });
});

test.each([
  [{ input_reference: 5 }, 'invalid_request', '/input_reference'],
  [{ input_reference: null }, 'invalid_request', '/input_reference'],
  [{ input_reference: [png] }, 'invalid_request', '/input_reference'],
  [{ input_reference: {} }, 'invalid_request', '/input_reference/image_url'],
  [{ input_reference: true }, 'invalid_request', '/input_reference'],
  [{ input_reference: { image_url: png, x: 1 } }, 'invalid_request', '/input_reference/x'],
  [{ input_reference: '' }, 'invalid_image', '/input_reference'],
  [{ input_reference: { file_id: 5 } }, 'invalid_request', '/input_reference/file_id'],
  [{ input_reference: { file_id: null } }, 'invalid_request', '/input_reference/file_id'],
  [{ input_reference: { file_id: 'upload_1', image_url: png } }, 'invalid_request', '/input_reference'],
  [{ input_reference: { image_url: 'upload_1' } }, 'invalid_image', '/input_reference/image_url'],
  [{ input_reference: 'http://example.com/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://example.com:8443/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://user:key@example.com/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://127.0.0.1/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://[::ffff:10.0.0.1]/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://0x7f.1/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://169.254.169.254/latest/meta-data' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://postgres/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'https://api.internal/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'file:///etc/passwd' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'gopher://example.com/' }, 'invalid_image', '/input_reference'],
  [{ input_reference: '//example.com/a.png' }, 'invalid_image', '/input_reference'],
  [{ input_reference: `https://example.com/${'a'.repeat(2_048)}` }, 'invalid_image', '/input_reference'],
  [{ input_reference: `https://example.com/${'ä'.repeat(500)}` }, 'invalid_image', '/input_reference'],
  [{ input_reference: { image_url: 'http://127.0.0.1/' } }, 'invalid_image', '/input_reference/image_url'],
  [{ 'input_reference[image_url]': 'http://127.0.0.1/' }, 'invalid_image', '/input_reference[image_url]'],
  [{ input_reference: 'data:image/png,raw' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'data:image/svg+xml;base64,AAAA' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'data:image/png;base64,' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'data:image/png;base64,a b' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'data:image/png;base64,aGk=\n' }, 'invalid_image', '/input_reference'],
  [{ input_reference: ' data:image/png;base64,aGk=' }, 'invalid_image', '/input_reference'],
  [{ input_reference: 'data:image/png; base64,aGk=' }, 'invalid_image', '/input_reference'],
  [{ input_reference: `data:image/png;base64,${'A'.repeat(14_000_000)}` }, 'body_too_large', '/input_reference'],
  [{ input_reference: png, 'input_reference[image_url]': png }, 'invalid_request', '/input_reference'],
])('a reference is refused: %.60j', (body, code, pointer) => {
  expect(problemOf(() => splitImage(body))).toEqual([code, pointer]);
});

test('equal wishes have equal canonical texts', () => {
  expect(canonicalJson({ b: 1, a: { d: [2, 1], c: 'x' } })).toBe(canonicalJson({ a: { c: 'x', d: [2, 1] }, b: 1 }));
  expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }));
});

test('a limiter allows once in a while for each key', () => {
  let now = 0;
  const mayCheck = createLimiter(5_000, () => now);
  expect([mayCheck('a'), mayCheck('a'), mayCheck('b')]).toEqual([true, false, true]);
  now = 4_999;
  expect(mayCheck('a')).toBe(false);
  now = 5_000;
  expect([mayCheck('a'), mayCheck('a')]).toEqual([true, false]);
});
