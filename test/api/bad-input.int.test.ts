import { randomBytes } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Operation } from '../../src/api/openapi/operation.ts';
import { openApiDocument, operations } from '../../src/api/openapi/document.ts';
import { type ApiBench, openApiBench } from './api-bench.ts';

/** `reliability.md` §8.8: what no field of any call may hold, made of the document, so that a new field is in it too. */
let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());

interface Call {
  readonly method: string;
  readonly path: string;
  readonly fields: Readonly<Record<string, { readonly type?: string | readonly string[] }>>;
  /** The least that it takes. */
  readonly base: Readonly<Record<string, unknown>>;
}

const bases: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  createVideo: { prompt: 'a' },
  createUpload: { content_type: 'image/png', bytes: 100 },
  createWebhookEndpoint: { url: 'https://example.com/hook' },
  changeWebhookEndpoint: { description: 'a' },
  repairJob: { repair: 'poll_now', reason: 'a' },
  repairJobs: { cause: 'no_credit', repair: 'poll_now', reason: 'a', dry_run: true },
  overrideLimits: { reason: 'a', for_seconds: 60, outstanding_max: 1 },
  pauseSubject: { reason: 'a' },
};

const calls: readonly Call[] = operations
  .filter((operation) => 'application/json' in (operation.body ?? {}))
  .map(callOf);

function callOf({ id, method, path }: Operation): Call {
  const body = openApiDocument().paths?.[path]?.[method]?.requestBody;
  if (body === undefined || !('content' in body)) throw new Error(`${id} has no body`);
  const schema = body.content['application/json']?.schema;
  const name = schema !== undefined && '$ref' in schema ? (schema.$ref.split('/').at(-1) ?? '') : '';
  const base = bases[id];
  if (base === undefined) throw new Error(`${id} takes a body: say above what the least of it is`);
  return { method, path: pathOf(path), fields: fieldsOf(openApiDocument().components?.schemas?.[name]), base };
}

/** Of something that is not there. */
function pathOf(template: string): string {
  return template
    .replace('{kind}', 'pool')
    .replace('jobs/{id}', 'jobs/video_01970000-0000-7000-8000-000000000000')
    .replace(/\{\w+\}/, `whe_${'0'.repeat(32)}`);
}

/** Of every form that the body may have. */
function fieldsOf(schema: unknown): Call['fields'] {
  const { properties = {}, oneOf = [], anyOf = [] } = Object(schema);
  return Object.assign({}, properties, ...[...oneOf, ...anyOf].map(fieldsOf));
}

/** JSON as text: what a hostile client writes is not what a serializer would. */
const hostile: Readonly<Record<string, string>> = {
  'a NUL': '"a\\u0000b"',
  'half a surrogate pair': '"a\\ud800"',
  'the other half': '"\\udc00a"',
  'a number beyond numbers': '1e400',
  'a negative one': '-1e400',
  null: 'null',
  'a list in lists': `${'['.repeat(20)}${']'.repeat(20)}`,
  'a list of 50,000 levels': `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  'a prototype': '{"__proto__":{"polluted":true}}',
  'a constructor': '{"constructor":{"prototype":{"polluted":true}}}',
  'a text that goes on': `"${'x'.repeat(70_000)}"`,
  'a key with a NUL': '{"a\\u0000":"b"}',
  'a key of half a pair': '{"\\ud800":"b"}',
  'a key that comes twice': '{"a":"b","a":"c"}',
};

function textOf({ base }: Call, field: string, value: string): string {
  const rest = Object.entries(base).filter(([name]) => name !== field);
  return `{${[...rest.map(([name, one]) => `${JSON.stringify(name)}:${JSON.stringify(one)}`), `"${field}":${value}`].join(',')}}`;
}

async function send({ method, path }: Call, body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  const init = { method: method.toUpperCase(), headers: { 'content-type': 'application/json', ...headers }, body };
  // A body without a length is sent while its answer may come already.
  return await fetch(`${bench.url}${path}`, Object.assign(init, { duplex: 'half' }));
}

/** What is wrong with an answer that should be a refusal. Empty: nothing is. */
async function flawsOf(response: Response, what: string): Promise<readonly string[]> {
  const { status, headers } = response;
  const text = await response.text();
  const type = headers.get('content-type') ?? '';
  const problem: Readonly<Record<string, unknown>> = type.startsWith('application/problem+json')
    ? JSON.parse(text)
    : {};
  const isSound =
    status >= 400 &&
    status < 500 &&
    problem['status'] === status &&
    problem['request_id'] === headers.get('x-request-id');
  // What can't be stored can't be repeated in an answer either, and nobody's words are thrown back at length.
  const repeats = /\\u0000|\\ud800|\\udc00|x{300}/.test(text);
  return isSound && !repeats ? [] : [`${what}: ${status} ${type} ${text.slice(0, 1_000)}`];
}

/** Everything that was kept, which is to be nothing. */
async function kept(): Promise<readonly string[]> {
  const tables = ['jobs', 'tickets', 'job_events', 'idempotency_keys', 'uploads', 'webhook_endpoints'];
  const counts = await Promise.all(tables.map(async (table) => ({ table, count: await bench.count(table) })));
  const filled = counts.filter(({ count }) => count > 0).map(({ table }) => table);
  const polluted = Reflect.get({}, 'polluted') === undefined ? [] : ['the prototype'];
  return [...filled, ...polluted, ...(await bench.objects())];
}

test.each(calls.map((call) => [`${call.method} ${call.path}`, call] as const))(
  'in no field of %s may be what can not be kept',
  async (_name, call) => {
    const flaws: string[] = [];
    for (const field of Object.keys(call.fields))
      for (const [what, value] of Object.entries(hostile))
        flaws.push(...(await flawsOf(await send(call, textOf(call, field, value)), `${field}: ${what}`)));
    expect(flaws).toEqual([]);
    expect(await kept()).toEqual([]);
  },
);

const bodies: Readonly<Record<string, (call: Call) => BodyInit>> = {
  nothing: () => '',
  'a word': () => 'true',
  'a text': () => '"{}"',
  'a list': () => '[{}]',
  'two objects': ({ base }) => `${JSON.stringify(base)}${JSON.stringify(base)}`,
  'an object that breaks off': ({ base }) => JSON.stringify(base).slice(0, -1),
  'a comma too many': ({ base }) => JSON.stringify(base).replace(/}$/, ',}'),
  'a comment': ({ base }) => `/* */${JSON.stringify(base)}`,
  'bytes that are no text': () => randomBytes(64),
  'text in UTF-16': ({ base }) => Buffer.from(JSON.stringify(base), 'utf16le'),
  'a name that comes twice': ({ base }) => JSON.stringify(base).replace(/^{/, `${JSON.stringify(base).slice(0, -1)},`),
  'the same name in other letters': ({ base }) =>
    JSON.stringify({ ...base, [Object.keys(base)[0]?.toUpperCase() ?? '']: 1 }),
  'a prototype': ({ base }) => JSON.stringify(base).replace(/^{/, '{"__proto__":{"polluted":true},'),
  'a constructor': ({ base }) => JSON.stringify({ ...base, constructor: { prototype: { polluted: true } } }),
  'an unknown name with a NUL': ({ base }) => JSON.stringify({ ...base, 'a\0': 1 }),
  'a thousand unknown names': ({ base }) =>
    JSON.stringify({
      ...base,
      ...Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`f${index}`, index])),
    }),
  '10 MB': ({ base }) => JSON.stringify({ ...base, description: 'x'.repeat(10_000_000) }),
  '10 MB in pieces, of a length that nobody says': () => pieces(10_000_000),
};

/** A body that is sent without its length. */
function pieces(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      left -= 64 * 1024;
      controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
    },
  });
}

test.each(Object.entries(bodies))('no call takes a body that is %s', async (_what, bodyOf) => {
  const flaws: string[] = [];
  for (const call of calls) flaws.push(...(await flawsOf(await send(call, bodyOf(call)), call.path)));
  expect(flaws).toEqual([]);
  expect(await kept()).toEqual([]);
});

test.each<[string, Record<string, string>]>([
  ['no type', { 'content-type': '' }],
  ['a type that is none', { 'content-type': 'nonsense' }],
  ['plain text', { 'content-type': 'text/plain' }],
  ['a form of a browser', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['a type like ours', { 'content-type': 'application/jsonx' }],
  ['a packing that is not known', { 'content-encoding': 'nonsense' }],
])('no call takes a body by %s', async (_name, headers) => {
  const flaws: string[] = [];
  for (const call of calls)
    flaws.push(...(await flawsOf(await send(call, JSON.stringify(call.base), headers), call.path)));
  expect(flaws).toEqual([]);
  expect(await kept()).toEqual([]);
});

test('a bomb is not unpacked, and costs next to nothing', async () => {
  const blank = Buffer.alloc(64 * 1024 * 1024, 0x20);
  const bombs = { gzip: gzipSync(blank), br: brotliCompressSync(blank) };
  const before = process.memoryUsage().rss;
  for (const [encoding, bomb] of Object.entries(bombs))
    for (const call of calls) {
      const response = await send(call, new Uint8Array(bomb), { 'content-encoding': encoding });
      expect([413, 415]).toContain(response.status);
      expect(await flawsOf(response, encoding)).toEqual([]);
    }
  // Unpacked, each would have taken 64 MiB.
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
  expect(await kept()).toEqual([]);
});

test.each([
  '/v1/videos/%00',
  '/v1/videos/video_%00',
  '/v1/videos/..%2f..%2fetc%2fpasswd',
  '/v1/videos/%F0%9F%92%A9/timeline',
  `/v1/videos/${'x'.repeat(5_000)}/content`,
  '/v1/videos/__proto__',
  '/v1/models/%00',
  '/v1/models/__proto__',
  '/problems/__proto__',
  '/v1/uploads/%00',
  '/v1/webhook_endpoints/%00',
  '/v1/webhook_deliveries/whd_%ff',
  '/v1/videos?limit=-1',
  '/v1/videos?limit=1e3',
  '/v1/videos?after=%00',
  '/v1/videos?after=a&after=b',
  '/v1/videos?order=__proto__',
  '/v1/videos?unheard=of',
  '/v1/videos?status=%00',
])('no path or query %.60s is a 5xx', async (path) => {
  expect(await flawsOf(await bench.get(path), path.slice(0, 60))).toEqual([]);
});

test.each([
  ['Idempotency-Key', 'k'.repeat(256)],
  ['Idempotency-Key', 'a b'],
  ['Idempotency-Key', 'schl\u00fcssel'],
  ['Idempotency-Key', '"'],
])('no header %s: %.20s is taken', async (name, value) => {
  expect(await flawsOf(await bench.post({ prompt: 'a' }, { [name]: value }), name)).toEqual([]);
  expect(await kept()).toEqual([]);
});
