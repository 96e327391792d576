import { get as httpGet, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { faultOfMessage } from '../support/contract.ts';
import { until } from '../support/until.ts';
import { type ApiBench, beginAttempt, completeJob, openApiBench } from './api-bench.ts';
import { openSse } from './sse-client.ts';

const apiKey = 'a-key-of-the-test';
const authorization = `Bearer ${apiKey}`;
let bench: ApiBench;
const sockets: SocketReader[] = [];
/** Messages that are not as the document says. */
const faults: string[] = [];
beforeAll(async () => {
  bench = await openApiBench({ apiKey });
});
afterAll(() => bench.close());
afterEach(() => {
  for (const { socket } of sockets.splice(0)) socket.terminate();
  if (faults.length > 0) throw new Error(faults.splice(0).join('\n'));
});

interface Message {
  readonly type: string;
  readonly cursor?: string;
  readonly video_id?: string;
  readonly kind?: string;
  readonly seq?: number;
  readonly video?: { readonly status: string };
}

interface SocketReader {
  readonly socket: WebSocket;
  readonly messages: Message[];
  /** The code that it was closed with, or the status of the answer that it was refused with. */
  end(): number | undefined;
}

function open(query = '', headers: Record<string, string> = { authorization }): SocketReader {
  const socket = new WebSocket(`${bench.url.replace('http', 'ws')}/v1/stream${query}`, { headers });
  const messages: Message[] = [];
  let end: number | undefined;
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString()));
    const fault = faultOfMessage('StreamMessage', messages.at(-1));
    if (fault !== undefined) faults.push(fault);
  });
  socket.on('close', (code) => (end ??= code));
  socket.on('unexpected-response', (_request, response) => {
    end = response.statusCode ?? 0;
    response.resume();
  });
  socket.on('error', () => undefined);
  const reader = { socket, messages, end: () => end };
  sockets.push(reader);
  return reader;
}

async function accept(): Promise<{ id: string; client_token?: string }> {
  return await (await bench.post({ prompt: 'a fox' }, { authorization })).json();
}

const told = ({ messages }: SocketReader) =>
  messages.filter(({ type }) => type === 'event').map(({ seq, kind }) => `${seq} ${kind}`);

test('one video: the same events as by server-sent events, the video beside them, and a normal end', async () => {
  const { id } = await accept();
  const reader = open(`?video=${id}`);
  const sse = await openSse(`${bench.url}/v1/videos/${id}/events`, { authorization });
  await until('the first event', () => told(reader).length > 0);
  await beginAttempt(bench, id, 'token-1');
  await completeJob(bench, id);
  await sse.untilEnd();
  expect(await until('the end', () => reader.end())).toBe(1_000);
  expect(told(reader)).toEqual(sse.numbered().map(({ id: seq, event }) => `${seq} ${event}`));
  expect(reader.messages[0]).toMatchObject({ type: 'video', video: { id, status: 'queued' } });
  expect(reader.messages.at(-2)).toMatchObject({ type: 'video', video: { id, status: 'completed' } });
  expect(reader.messages.at(-1)).toMatchObject({ type: 'event', video_id: id, kind: 'job.completed' });

  const rest = open(`?video=${id}&after=3`);
  expect(await until('the end', () => rest.end())).toBe(1_000);
  expect(told(rest)).toEqual(told(reader).slice(3));
  const nothing = open(`?video=${id}&after=5`);
  expect(await until('the end', () => nothing.end())).toBe(1_000);
  expect(nothing.messages).toEqual([]);
});

test('all videos of the tenant, from now on or from a cursor', async () => {
  const reader = open();
  const start = await until('its place', () => reader.messages.find(({ type }) => type === 'ready'));
  const { id } = await accept();
  await beginAttempt(bench, id, 'token-2');
  await completeJob(bench, id);
  await until('all', () => told(reader).includes('5 job.completed'));
  expect(reader.messages.filter(({ type }) => type === 'event').every(({ video_id }) => video_id === id)).toBe(true);
  for (const from of [start, reader.messages.find(({ seq }) => seq === 2)]) {
    const again = open(`?after=${from?.cursor}`);
    await until('the rest', () => told(again).includes('5 job.completed'));
    expect(told(again)).toEqual(told(reader).slice(from?.seq ?? 0));
  }
});

test('a client token follows its job and no other', async () => {
  const [own, other] = [await accept(), await accept()];
  expect(own.client_token).toBeDefined();
  const reader = open(`?token=${own.client_token}`, {});
  await until('the first event', () => told(reader).length > 0);
  expect(reader.messages[0]).toMatchObject({ type: 'video', video: { id: own.id } });
  const refused = open(`?token=${own.client_token}&video=${other.id}`, {});
  expect(await until('a refusal', () => refused.end())).toBe(404);
});

test.each([
  ['no key', '', {}, 401],
  ['a wrong key', '', { authorization: 'Bearer wrong' }, 401],
  ['a cursor of nobody', '?after=AAAA', { authorization }, 400],
  ['a number that is none', '?video=video_01890000-0000-7000-8000-000000000000&after=x', { authorization }, 400],
  ['an id that is none', '?video=7', { authorization }, 400],
  ['an unknown parameter', '?vidoe=7', { authorization }, 400],
  ['a video that is not there', '?video=video_01890000-0000-7000-8000-000000000000', { authorization }, 404],
])('%s is refused in words of HTTP', async (...[, query, headers, status]) => {
  const reader = open(query, headers);
  expect(await until('a refusal', () => reader.end())).toBe(status);
});

test('without an upgrade the path says what it speaks', async () => {
  const response = await bench.get('/v1/stream', { authorization });
  expect(response.status).toBe(426);
  expect(response.headers.get('upgrade')).toBe('websocket');
  expect(await response.json()).toMatchObject({ code: 'upgrade_required' });
});

test.each([
  ['another version', { 'sec-websocket-version': '7' }, 426, 'upgrade_required'],
  ['a key that is none', { 'sec-websocket-key': 'short' }, 400, 'invalid_request'],
])('a handshake with %s is refused by a problem', async (...[, wrong, status, code]) => {
  const headers = {
    authorization,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...wrong,
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    httpGet(`${bench.url}/v1/stream`, { headers }, resolve).on('error', reject);
  });
  expect(response.statusCode).toBe(status);
  expect(JSON.parse((await response.toArray()).join(''))).toMatchObject({ code, status });
});

test('whoever talks too much, or says too much at once, is sent away; a few words do no harm', async () => {
  const { id } = await accept();
  const quiet = open(`?video=${id}`);
  const loud = open(`?video=${id}`);
  const long = open(`?video=${id}`);
  for (const { messages } of [quiet, loud, long]) await until('it is open', () => messages.length > 0);
  quiet.socket.send('hello');
  for (let count = 0; count <= 101; count += 1) loud.socket.send('hello');
  long.socket.send('x'.repeat(5_000));
  expect(await until('an end', () => loud.end())).toBe(1_008);
  expect(await until('an end', () => long.end())).toBe(1_009);
  expect(quiet.end()).toBeUndefined();
});

test('a request that would rather speak another protocol is served in this one, with its body', async () => {
  const body = JSON.stringify({ prompt: 'over HTTP/1.1' });
  const { hostname, port, host } = new URL(bench.url);
  const socket = connect({ host: hostname, port: Number(port) });
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  const head =
    `POST /v1/videos HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\ncontent-type: application/json\r\n` +
    'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n';
  socket.write(`${head}content-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`);
  socket.write(body.slice(5));
  await until('an answer', () => answer.includes('\r\n\r\n'));
  expect(answer).toMatch(/^HTTP\/1\.1 202 /);
  // And the next one on the same connection.
  answer = '';
  socket.write(`GET /v1/models HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n\r\n`);
  await until('an answer', () => answer.includes('\r\n\r\n'));
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  socket.destroy();
});

test('a process that stops says that it restarts', async () => {
  const { id } = await accept();
  const reader = open(`?video=${id}`);
  await until('it is open', () => reader.messages.length > 0);
  bench.endStreams();
  expect(await until('an end', () => reader.end())).toBe(1_012);
});
