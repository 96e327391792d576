import { connect } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { refusalCodes } from '../../src/catalogue/plan.ts';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { publishModels } from '../../src/catalogue/publish.ts';
import { createApp } from '../../src/api/app.ts';
import { openApiDocument, operations } from '../../src/api/openapi/document.ts';
import { advice } from '../../src/api/problems/problem-advice.ts';
import { problemKinds } from '../../src/api/problems/problem-kinds.ts';
import { isProviderKind } from '../../src/providers/registry.ts';
import { findUndescribedRoutes, listRoutes } from '../support/contract-routes.ts';
import { faultOf } from '../support/contract.ts';
import { type ApiBench, openApiBench, planOneTarget } from './api-bench.ts';

const catalogue = await loadCatalogue('models.yaml', isProviderKind);
let bench: ApiBench;
beforeAll(async () => {
  bench = await openApiBench({ models: publishModels(catalogue, new Map()) });
});
afterAll(() => bench.close());

/** What is not part of the contract, each for a reason. */
const deliberatelyAbsent = [
  // For providers, each of which has a form of its own; docs/configuration.md.
  'post /v1/callbacks/{provider}/{attempt}/{token}',
  // For `npm run doctor`.
  'post /v1/callbacks/echo/{question}',
  // The page to make a video with, and what it is made of.
  'get /',
  'get /page/{file}',
  // What the page at /docs is made of.
  'get /docs/start.js',
  'get /docs/swagger-ui.css',
  'get /docs/swagger-ui-bundle.js',
  'get /docs/favicon-32x32.png',
];

function routesOfBench() {
  return createApp({
    pool: bench.database.pool,
    plan: planOneTarget,
    models: [],
    providers: new Map(),
    store: bench.store,
    clock: Date.now,
    defaultModel: 'wan-2.6',
    notifyMail: () => undefined,
    notifyAccepted: () => undefined,
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
  }).routes;
}

test('the document tells of every route, and of none that is not there', () => {
  const handler = routesOfBench();
  const documented = operations.map(({ method, path }) => `${method} ${path}`);
  expect(listRoutes(handler).toSorted()).toEqual([...documented, ...deliberatelyAbsent].toSorted());
  expect(findUndescribedRoutes(handler)).toEqual([]);
});

test('every call has an id of its own, a summary, and an answer', () => {
  expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length);
  for (const { summary, scope, path } of operations) {
    expect(summary).toMatch(/\.$/);
    expect(scope === 'none').toBe(!path.startsWith('/v1/') || path === '/v1/uploads/{id}');
  }
});

test('every reference leads somewhere', () => {
  const document = openApiDocument();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
  expect(references.length).toBeGreaterThan(100);
  for (const reference of new Set(references)) {
    const found = reference
      .split('/')
      .reduce<unknown>(
        (node, name) => (typeof node === 'object' && node !== null ? Reflect.get(node, name) : node),
        document,
      );
    expect([reference, typeof found]).toEqual([reference, 'object']);
  }
});

test('every example of a body is one that the schema takes', () => {
  const ajv = new Ajv2020({ strict: false });
  formats.default(ajv);
  ajv.addSchema(JSON.parse(JSON.stringify(openApiDocument())), 'openapi.json');
  let seen = 0;
  for (const [path, item] of Object.entries(openApiDocument().paths ?? {}))
    for (const [method, operation] of Object.entries(item))
      for (const [type, media] of Object.entries<Media>(operation.requestBody?.content ?? {}))
        for (const value of [...Object.values(media.examples ?? {}).map((one) => one.value), media.example]) {
          if (value === undefined) continue;
          const pointer = ['paths', path, method, 'requestBody', 'content', type, 'schema'];
          const escaped = pointer.map((part) => part.replaceAll('/', '~1')).join('/');
          const validate = ajv.compile({ $ref: `openapi.json#/${encodeURI(escaped)}` });
          expect([method, path, validate(value), ajv.errorsText(validate.errors)]).toEqual([
            method,
            path,
            true,
            'No errors',
          ]);
          seen += 1;
        }
  expect(seen).toBeGreaterThan(2);
});

interface Media {
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
  readonly example?: unknown;
}

test('the document is served, and not sent again to whoever has it', async () => {
  const response = await bench.get('/openapi.json');
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
  const etag = response.headers.get('etag') ?? '';
  expect((await bench.get('/openapi.json', { 'if-none-match': etag })).status).toBe(304);
  expect((await bench.get('/openapi.json', { 'if-none-match': '"another"' })).status).toBe(200);
});

test('every model of the catalogue is as the document says', async () => {
  const response = await bench.get('/v1/models');
  const body = await response.text();
  expect(JSON.parse(body).data.length).toBeGreaterThan(5);
  const headers = Object.fromEntries(response.headers);
  expect(faultOf({ method: 'GET', path: '/v1/models', status: 200, headers, body })).toBeUndefined();
});

test('an answer that does not fit is found', () => {
  const headers = { 'content-type': 'application/json', 'x-request-id': 'r' };
  const seen = { method: 'GET', path: '/v1/models', status: 200, headers, body: '{"object":"list","data":[]}' };
  expect(faultOf(seen)).toBeUndefined();
  expect(faultOf({ ...seen, body: '{"object":"list","data":[],"more":1}' })).toContain('additional properties');
  expect(faultOf({ ...seen, body: '{"object":"list"}' })).toContain('data');
  expect(faultOf({ ...seen, status: 418 })).toContain('no such status');
  expect(faultOf({ ...seen, headers: { 'content-type': 'application/json' } })).toContain('X-Request-Id');
  expect(faultOf({ ...seen, headers: { ...headers, 'content-type': 'text/html' } })).toContain('text/html');
  expect(faultOf({ ...seen, path: '/v1/unheard-of' })).toContain('no such call');
});

test('the docs are a page of our own: nothing inline, nothing from elsewhere', async () => {
  const response = await bench.get('/docs');
  const page = await response.text();
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  expect(page).not.toMatch(/<script>|<style|style=|onload=|https?:/);
  const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source = '']) => source);
  expect(sources.length).toBeGreaterThan(3);
  for (const source of sources) expect([source, (await bench.get(source)).status]).toEqual([source, 200]);
  for (const path of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/swagger-ui.js'])
    expect([path, (await bench.get(path)).status]).toEqual([path, 404]);
});

test('every problem has a page: for programs as JSON, for people as HTML', async () => {
  for (const code of [...Object.keys(problemKinds), ...Object.keys(refusalCodes)]) {
    const page = await (await bench.get(`/problems/${code}`)).json();
    expect(page).toMatchObject({ code, title: expect.stringMatching(/\.$/), next: expect.stringMatching(/\.$/) });
    expect(Object.keys(advice)).toContain(code);
    const html = await bench.get(`/problems/${code}`, { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' });
    expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(html.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await html.text()).toContain(`<code>${code}</code>`);
  }
});

test.each([
  ['a malformed path', { method: 'GET', path: '/v1/videos/%zz', status: 400, code: 'invalid_path' }],
  ['a malformed path without a key', { method: 'GET', path: '/problems/%e0%a4%a', status: 400, code: 'invalid_path' }],
  ['an unknown path', { method: 'GET', path: '/nothing', status: 404, code: 'not_found' }],
  ['an unknown method', { method: 'DELETE', path: '/v1/models', status: 405, code: 'method_not_allowed' }],
  ['OPTIONS', { method: 'OPTIONS', path: '/openapi.json', status: 405, code: 'method_not_allowed' }],
])('%s is a problem document, never a page of the framework', async (_name, { method, path, status, code }) => {
  const response = await fetch(`${bench.url}${path}`, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const body = await response.json();
  expect(body).toMatchObject({ code, type: `/problems/${code}`, error: { code } });
  expect(body.request_id).toBe(response.headers.get('x-request-id'));
});

const get = 'GET /v1/models HTTP/1.1\r\nhost: x\r\n';
const twoLengths = 'POST /v1/videos HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n';

test.each([
  ['a large head', { head: `${get}cookie: ${'c'.repeat(20_000)}\r\n\r\n`, status: 431, code: 'headers_too_large' }],
  ['what is not HTTP', { head: 'HELO example.org\r\n\r\n', status: 400, code: 'invalid_request' }],
  ['a NUL in a header', { head: `${get}x: a\0b\r\n\r\n`, status: 400, code: 'invalid_request' }],
  ['a request of two lengths', { head: twoLengths, status: 400, code: 'invalid_request' }],
])('%s is answered with a problem document before there is a request', async (_name, { head, status, code }) => {
  const answer = await rawAnswer(head);
  expect(answer).toContain(`HTTP/1.1 ${status} `);
  expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
  const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
  expect(body).toMatchObject({ status, code, error: { code } });
  expect(answer).toContain(`x-request-id: ${body.request_id}`);
});

async function rawAnswer(head: string): Promise<string> {
  const socket = connect(Number(new URL(bench.url).port), '127.0.0.1');
  socket.write(head);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}
