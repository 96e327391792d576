import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Problem } from '../../../src/api/problems/problem.ts';
import { createStreams, type OpenStream, type StreamEnd } from '../../../src/api/streams/streams.ts';
import { limits } from '../../../src/domain/limits/limits.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

interface Bench {
  readonly streams: ReturnType<typeof createStreams>;
  readonly ends: StreamEnd[];
  readonly count: () => number;
}

function open(): Bench {
  const ends: StreamEnd[] = [];
  let count = 0;
  const streams = createStreams({
    clock: () => Date.now(),
    onCount: (now) => (count = now),
    onEnd: (reason) => ends.push(reason),
  });
  return { streams, ends, count: () => count };
}

interface FakeStream extends OpenStream {
  readonly told: string[];
  stuck: number | undefined;
  admitted: boolean;
}

function fake(): FakeStream {
  const told: string[] = [];
  return {
    told,
    stuck: undefined,
    admitted: true,
    beat: () => void told.push('beat'),
    stuckSince() {
      return this.stuck;
    },
    sendAway: (ms) => void told.push(ms >= limits.streamRetryMsMin && ms <= limits.streamRetryMsMax ? 'away' : 'wrong'),
    destroy: () => void told.push('destroyed'),
    async isAdmitted() {
      return this.admitted;
    },
  };
}

test('each beats every fifteen seconds', async () => {
  const { streams } = open();
  const [first, second] = [fake(), fake()];
  streams.take({ tenant: 'a', jobId: null }).open(first);
  await vi.advanceTimersByTimeAsync(5_000);
  streams.take({ tenant: 'a', jobId: null }).open(second);
  await vi.advanceTimersByTimeAsync(60_000);
  for (const { told } of [first, second]) expect(told).toEqual(['beat', 'beat', 'beat', 'beat']);
});

test('one that takes nothing for half a minute is dropped, and one that takes something is not', async () => {
  const { streams, ends } = open();
  const [stuck, slow] = [fake(), fake()];
  for (const stream of [stuck, slow]) streams.take({ tenant: 'a', jobId: null }).open(stream);
  stuck.stuck = Date.now();
  for (let seconds = 0; seconds < 40; seconds += 5) {
    slow.stuck = Date.now();
    await vi.advanceTimersByTimeAsync(5_000);
  }
  expect(stuck.told).toContain('destroyed');
  expect(slow.told).not.toContain('destroyed');
  expect(ends).toContain('slow');
});

test('one whose key no longer holds is sent away within half a minute', async () => {
  const { streams, ends } = open();
  const [revoked, kept] = [fake(), fake()];
  for (const stream of [revoked, kept]) streams.take({ tenant: 'a', jobId: null }).open(stream);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ends).toEqual([]);
  revoked.admitted = false;
  await vi.advanceTimersByTimeAsync(limits.streamCheckEveryMs);
  expect(revoked.told.at(-1)).toBe('away');
  expect(kept.told.at(-1)).toBe('beat');
  expect(ends).toEqual(['key']);
});

test('there may be so many of a job, of a tenant and of a process, and places become free again', () => {
  const { streams, count } = open();
  const job = { tenant: 'a', jobId: 'video_1' };
  const places = Array.from({ length: limits.streamsOfJobMax }, () => streams.take(job));
  expect(() => streams.take(job)).toThrow(Problem);
  streams.take({ tenant: 'a', jobId: 'video_2' });
  places[0]?.leave();
  places[0]?.leave();
  places[0] = streams.take(job);
  // Who names a job of somebody else's takes none of its places.
  streams.take({ tenant: 'b', jobId: 'video_1' }).leave();
  expect(() => streams.take(job)).toThrow('too_many_streams');

  for (let taken = count(); taken < limits.streamsOfTenantMax; taken += 1) streams.take({ tenant: 'a', jobId: null });
  expect(() => streams.take({ tenant: 'a', jobId: null })).toThrow('too_many_streams');
  for (let taken = count(); taken < limits.streamsMax; taken += 1) streams.take({ tenant: `b${taken}`, jobId: null });
  expect(() => streams.take({ tenant: 'c', jobId: null })).toThrow('overloaded');
  for (const place of places) place.leave();
  streams.take({ tenant: 'c', jobId: null });
  expect(count()).toBe(limits.streamsMax - limits.streamsOfJobMax + 1);
});

test('the end of the process is the end of all, and of those on their way', () => {
  const { streams, ends } = open();
  const [first, late] = [fake(), fake()];
  streams.take({ tenant: 'a', jobId: null }).open(first);
  const place = streams.take({ tenant: 'a', jobId: null });
  streams.drain();
  expect(streams.closing.aborted).toBe(true);
  expect(first.told).toEqual(['away']);
  place.open(late);
  expect(late.told).toEqual(['away']);
  expect(ends).toEqual(['shutdown', 'shutdown']);
});

test('who has left is told nothing', async () => {
  const { streams, count } = open();
  const stream = fake();
  const place = streams.take({ tenant: 'a', jobId: null });
  place.open(stream);
  place.leave();
  streams.drain();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(stream.told).toEqual([]);
  expect(count()).toBe(0);
});
