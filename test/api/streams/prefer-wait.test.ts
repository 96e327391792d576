import { EventEmitter } from 'node:events';
import type { Request, Response } from 'express';
import { expect, test } from 'vitest';
import { answeredOrLeft, beginDatabaseWait } from '../../../src/api/database-wait.ts';
import type { JobTopics } from '../../../src/api/streams/job-topics.ts';
import { beginEndWait, preferredWaitSeconds } from '../../../src/api/streams/prefer-wait.ts';
import { createStreams } from '../../../src/api/streams/streams.ts';
import { until } from '../../support/until.ts';

const owned = { id: 'video_1', tenant: 'acme' };

function open(join: JobTopics['join']) {
  let places = 0;
  const streams = createStreams({ clock: Date.now, onCount: (count) => (places = count), onEnd: () => undefined });
  const topics: JobTopics = { join, count: () => 0, stop: () => undefined };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only its end is looked at
  const response = Object.assign(new EventEmitter(), { destroyed: false }) as unknown as Response;
  return { deps: { topics, streams }, response, places: () => places };
}

test.each([
  ['GET', 'wait=30', 30],
  ['GET', 'Wait = "30"', 30],
  ['GET', 'respond-async, wait=900', 30],
  ['GET', 'xwait=20', 0],
  ['GET', 'wait=0', 0],
  ['HEAD', 'wait=30', 0],
])('a %s that prefers %j waits %d seconds', (method, prefer, seconds) => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is looked at
  const request = { method, get: () => prefer } as unknown as Request;
  expect(preferredWaitSeconds(request)).toBe(seconds);
});

test('a wait that begins too late, after its caller was refused, is left at once', async () => {
  let left = 0;
  let arrive: () => void = () => undefined;
  const arriving = new Promise<void>((resolve) => (arrive = resolve));
  const { deps, response, places } = open(async () => {
    await arriving;
    return { leave: () => (left += 1) };
  });
  const beginning = beginEndWait(deps, { owned, seconds: 30, response });
  await expect(answeredOrLeft(beginDatabaseWait(1), beginning)).rejects.toThrow('database_unavailable');
  expect(places()).toBe(1);
  arrive();
  await until('it has left', () => left === 1);
  expect(places()).toBe(0);
});

test('one that can not begin holds nothing', async () => {
  const { deps, response, places } = open(() => Promise.reject(new Error('the database is away')));
  const beginning = beginEndWait(deps, { owned, seconds: 30, response });
  await expect(answeredOrLeft(beginDatabaseWait(), beginning)).rejects.toThrow('database_unavailable');
  expect(places()).toBe(0);
});

test('nobody waits in a process that is about to end', async () => {
  const { deps, response, places } = open(async () => ({ leave: () => undefined }));
  deps.streams.drain();
  expect(await beginEndWait(deps, { owned, seconds: 30, response })).toBeUndefined();
  expect(places()).toBe(0);
});

test('nobody waits for a client that has gone', async () => {
  const { deps, response } = open(async () => ({ leave: () => undefined }));
  Object.assign(response, { destroyed: true });
  const wait = await beginEndWait(deps, { owned, seconds: 30, response });
  expect(await wait?.over()).toBeUndefined();
  wait?.leave();
});
