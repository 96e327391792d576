import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { openSse, type SseReader } from '../api/sse-client.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createPart, findFreePorts, type Part } from '../support/processes.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { baseEnvironment, printTail } from '../support/stack.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
let api: Part;
let url: string;

beforeAll(async () => {
  const directory = await makeTestDirectory();
  database = await createTestDatabase();
  const ports = await findFreePorts(['api', 'ops']);
  url = `http://127.0.0.1:${ports.api}`;
  const env = {
    ...baseEnvironment(),
    DATABASE_URL: database.url,
    // Neither Temporal nor a vendor is asked to accept a job.
    TEMPORAL_ADDRESS: '127.0.0.1:1',
    SIMULATOR_URL: 'http://127.0.0.1:1',
    PORT: String(ports.api),
    OPS_PORT: String(ports.ops),
    DATA_DIRECTORY: join(directory, 'data'),
  };
  await mkdir(env.DATA_DIRECTORY);
  api = createPart({ command: 'api', env, readyLine: 'API is up', logFile: join(directory, 'api.log') });
  await api.start();
});
afterAll(async () => {
  if (api.isRunning()) await api.end('SIGKILL');
  await database.drop();
});

const streams = 200;
const clients = 50;
const ratePerSecond = 500;

interface Load {
  readonly accepted: string[];
  /** Answers that are none of success. */
  readonly refused: number[];
  /** Requests without an answer, by the cause. */
  readonly unanswered: string[];
  stop(): Promise<void>;
}

async function post(): Promise<Response> {
  return await fetch(`${url}/v1/videos`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'wan-2.6', prompt: 'a fox' }),
  });
}

/** As many requests a second as are wanted, or as the machine can. */
function startLoad(): Load {
  const accepted: string[] = [];
  const refused: number[] = [];
  const unanswered: string[] = [];
  let open = true;
  let sent = 0;
  const startedAt = performance.now();
  const client = async (): Promise<void> => {
    while (open) {
      const dueAt = startedAt + (sent * 1_000) / ratePerSecond;
      sent += 1;
      if (dueAt > performance.now()) await delay(dueAt - performance.now());
      try {
        const response = await post();
        const body = await response.text();
        if (response.status === 202) accepted.push(JSON.parse(body).id);
        else refused.push(response.status);
      } catch (error) {
        // Nobody listens any more: this client goes elsewhere.
        unanswered.push(causeOf(error));
        return;
      }
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    accepted,
    refused,
    unanswered,
    async stop() {
      open = false;
      await all;
    },
  };
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(error);
}

/** Nobody listens any more, or a connection was closed in the moment in which it was taken. */
const mayHappen = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'];

/** Of all jobs that were accepted and answered. */
const known: string[] = [];

async function accept(): Promise<string> {
  const { id } = await (await post()).json();
  known.push(id);
  return id;
}

async function openStream(): Promise<SseReader> {
  const id = await accept();
  const reader = await openSse(`${url}/v1/videos/${id}/events`);
  expect(reader.response.status).toBe(200);
  return reader;
}

/** A few at once: they are what is there already, not part of the load. */
async function openStreams(): Promise<readonly SseReader[]> {
  const readers: SseReader[] = [];
  while (readers.length < streams) readers.push(...(await Promise.all(Array.from({ length: 20 }, openStream))));
  return readers;
}

test('SIGTERM under load: no 202 is lost, nobody gets a 5xx, and every stream is told when to come back', async () => {
  const readers = await openStreams();
  const id = await accept();
  const waiting = fetch(`${url}/v1/videos/${id}`, { headers: { prefer: 'wait=30' } });
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream?video=${id}`);
  const closed = new Promise<number>((resolve) => void socket.once('close', resolve));
  await once(socket, 'message');
  const load = startLoad();
  try {
    await until('the load is on', () => load.accepted.length >= 2 * ratePerSecond);
    const startedAt = Date.now();
    expect(await api.end('SIGTERM', 30_000)).toEqual({ code: 0, signal: null });
    expect(Date.now() - startedAt).toBeLessThan(30_000);
    await load.stop();
  } catch (error) {
    printTail(api);
    throw error;
  }
  expect(load.refused).toEqual([]);
  expect(load.unanswered.filter((cause) => !mayHappen.includes(cause))).toEqual([]);
  const answer = await waiting;
  expect(answer.status).toBe(200);
  expect(answer.headers.get('preference-applied')).toBe('wait=30');
  expect(await answer.json()).toMatchObject({ id, status: 'queued' });
  expect(await closed).toBe(1_012);
  // A job that nobody was told of would be of a request that was cut off while it was under way.
  const { rows } = await database.pool.query<{ id: string }>('SELECT id FROM jobs ORDER BY id');
  expect(rows.map((row) => row.id)).toEqual([...known, ...load.accepted].toSorted());
  for (const reader of readers) {
    await reader.untilEnd();
    // Once at the start, and once with the end.
    expect(reader.retries).toHaveLength(2);
    expect(reader.lastId()).toBe('1');
  }
});
