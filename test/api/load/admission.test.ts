import { once } from 'node:events';
import { request as httpRequest, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Admission, createAdmission } from '../../../src/api/load/admission.ts';
import { beginLongLived } from '../../../src/api/load/long-lived.ts';
import { bodyOfProblem, temporaryProblem } from '../../../src/api/problems/problem.ts';
import { listen, type RunningServer } from '../../../src/api/server.ts';
import { until } from '../../support/until.ts';

const room = 20;

interface Guarded {
  readonly server: RunningServer;
  readonly admission: Admission;
  /** Requests that were let in and have no answer yet. */
  readonly held: ServerResponse[];
  readonly shed: string[];
}

let guarded: Guarded | undefined;
afterEach(async () => {
  for (const response of guarded?.held ?? []) response.end();
  guarded?.admission.stop();
  await guarded?.server.close(100);
  guarded = undefined;
});

/** A server whose handler answers nobody by itself. */
async function openGuarded(): Promise<Guarded> {
  const held: ServerResponse[] = [];
  const shed: string[] = [];
  const admission = createAdmission({ onShed: (kind) => shed.push(kind), nextLimit: () => room });
  const server = await listen(
    admission.guard((_request, response) => void held.push(response)),
    { host: '127.0.0.1', port: 0 },
  );
  return (guarded = { server, admission, held, shed });
}

async function fill({ server, admission }: Guarded, path: string, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 1)
    httpRequest(`${server.url}${path}`)
      .on('error', () => undefined)
      .end();
  await until('they are in flight', () => admission.inFlight() + admission.longLived() >= count);
}

test('beyond what may be in flight a request is refused unread, by the problem that any other 503 is', async () => {
  const { server, shed, held } = await openGuarded().then(async (one) => {
    await fill(one, '/v1/videos', room);
    return one;
  });
  const refusal = await fetch(`${server.url}/v1/videos?token=canary`, { method: 'POST', body: 'x'.repeat(100_000) });
  expect(refusal.status).toBe(503);
  expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  expect(refusal.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const body: unknown = await refusal.json();
  const likeness = bodyOfProblem(temporaryProblem('overloaded'), { requestId: 'id', instance: '/' });
  expect(Object.keys(body ?? {})).toEqual(Object.keys(likeness));
  expect(body).toMatchObject({
    code: 'overloaded',
    status: 503,
    instance: '/v1/videos',
    request_id: refusal.headers.get('x-request-id'),
  });
  expect(shed).toEqual(['request']);
  expect(held).toHaveLength(room);
});

test('callbacks are let in while everybody else is refused', async () => {
  const one = await openGuarded();
  await fill(one, '/v1/videos', room);
  httpRequest(`${one.server.url}/v1/callbacks/acme/video_1.1/token`, { method: 'POST' })
    .on('error', () => undefined)
    .end();
  await until('the callback is handled', () => one.held.length === room + 1);
  expect(one.shed).toEqual([]);
});

test('an answer makes room, and so does a client that has gone', async () => {
  const one = await openGuarded();
  const client = httpRequest(`${one.server.url}/v1/models`).on('error', () => undefined);
  client.end();
  const answered = fetch(`${one.server.url}/v1/models`);
  await until('both are in flight', () => one.admission.inFlight() === 2);
  client.destroy();
  await until('one has gone', () => one.admission.inFlight() === 1);
  for (const response of one.held) response.end('{}');
  await (await answered).text();
  await until('the other has its answer', () => one.admission.inFlight() === 0);
  expect(one.shed).toEqual([]);
});

test('streams, downloads and waits count until they have begun, and no longer', async () => {
  const one = await openGuarded();
  await fill(one, '/v1/events', 3);
  httpRequest(`${one.server.url}/v1/videos/video_1`, { headers: { prefer: 'wait=20' } })
    .on('error', () => undefined)
    .end();
  await until('all are here', () => one.held.length === 4);
  expect(one.admission.inFlight()).toBe(4);
  expect(one.admission.longLived()).toBe(0);
  for (const response of one.held.slice(1)) beginLongLived(response);
  for (const response of one.held.slice(1)) beginLongLived(response);
  expect(one.admission.inFlight()).toBe(1);
  expect(one.admission.longLived()).toBe(3);
  for (const response of one.held) response.end();
  await until('all are gone', () => one.admission.inFlight() + one.admission.longLived() === 0);
});

test('whoever has gone before a stream begins is not counted a second time', async () => {
  const one = await openGuarded();
  const client = httpRequest(`${one.server.url}/v1/events`).on('error', () => undefined);
  client.end();
  await until('it is here', () => one.held.length === 1);
  client.destroy();
  await until('it has gone', () => one.admission.inFlight() === 0);
  for (const response of one.held) beginLongLived(response);
  expect(one.admission.longLived()).toBe(0);
  expect(one.admission.inFlight()).toBe(0);
});

test.each(['/v1/videos?x=/content', '/v1/events', '/v1/stream'])('%s is shed like any other', async (path) => {
  const one = await openGuarded();
  await fill(one, path, room);
  expect((await fetch(`${one.server.url}${path}`, { headers: { prefer: 'wait=0' } })).status).toBe(503);
  expect(one.shed).toEqual(['request']);
});

test('a client that is slow to send does not take the place of one that is not', async () => {
  const one = await openGuarded();
  const socket = connect({ host: '127.0.0.1', port: one.server.port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('POST /v1/videos HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\nhalf');
  await until('it is in flight', () => one.admission.inFlight() === 1);
  await until('it is waited for aside', () => one.admission.inFlight() === 0);
  expect(one.held).toHaveLength(1);
  socket.destroy();
});
