import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createCursors } from '../../../src/api/streams/cursors.ts';
import { findUrlSecret } from '../../../src/db/tenants/signing-keys.ts';
import { until } from '../../support/until.ts';
import { type ApiBench, openApiBench } from '../api-bench.ts';
import { openSse, type SseReader } from '../sse-client.ts';

let bench: ApiBench;
const readers: SseReader[] = [];
beforeAll(async () => {
  bench = await openApiBench();
});
afterAll(() => bench.close());
afterEach(() => {
  for (const reader of readers.splice(0)) reader.cut();
});

async function follow(): Promise<SseReader> {
  const reader = await openSse(`${bench.url}/v1/events`);
  readers.push(reader);
  await until('its place', () => reader.lastId());
  return reader;
}

test.each(['x', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'A'.repeat(600)])(
  'a cursor that is none of ours, %j, is refused',
  async (cursor) => {
    const response = await bench.get(`/v1/events?last_event_id=${cursor}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/last-event-id' }] });
  },
);

test('a cursor of a database that counted further than this one, before it was restored, is refused', async () => {
  const seal = await createCursors(() => findUrlSecret(bench.database.pool)).load();
  const cursor = seal.seal(['events', 'default'], ['99999999999', '', '0']);
  const response = await bench.get('/v1/events', { 'last-event-id': cursor });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request', errors: [{ pointer: '/last-event-id' }] });
});

test.each(['/v1/events/', '/v1/EVENTS'])(
  '%s is a stream like any other, and not under way for as long as it is open',
  async (path) => {
    const figure = async (name: string): Promise<number> =>
      Number(new RegExp(`^spillway_api_${name} (\\d+)$`, 'm').exec(await bench.registry.metrics())?.[1]);
    await until('those of the former tests have gone', async () => (await figure('long_requests')) === 0);
    const reader = await openSse(`${bench.url}${path}`);
    readers.push(reader);
    await until('its place', () => reader.lastId());
    expect(await figure('in_flight_requests')).toBe(0);
    expect(await figure('long_requests')).toBe(1);
  },
);

test('a cursor that was changed by one letter is none of ours', async () => {
  const reader = await follow();
  const cursor = reader.lastId() ?? '';
  for (const place of [0, 10, cursor.length - 4]) {
    const letter = cursor[place] === 'A' ? 'B' : 'A';
    const forged = `${cursor.slice(0, place)}${letter}${cursor.slice(place + 1)}`;
    expect((await bench.get('/v1/events', { 'last-event-id': forged })).status).toBe(400);
  }
});
