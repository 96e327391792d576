import { afterEach, expect, test, vi } from 'vitest';
import { newUuid } from '../../src/api/new-uuid.ts';

afterEach(() => vi.useRealTimers());

const many = (count: number) => Array.from({ length: count }, newUuid);
const momentOf = (uuid: string) => Number.parseInt(uuid.replaceAll('-', '').slice(0, 12), 16);

test('is a UUID of version 7, of this moment', () => {
  const before = Date.now();
  const uuid = newUuid();
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(momentOf(uuid)).toBeGreaterThanOrEqual(before);
  expect(momentOf(uuid)).toBeLessThanOrEqual(Date.now());
});

test('sorts after every earlier one, also within one millisecond and where the clock goes back', () => {
  vi.useFakeTimers({ now: Date.now() + 60_000 });
  const uuids = many(5_000);
  vi.setSystemTime(Date.now() - 30_000);
  uuids.push(...many(5_000));
  vi.setSystemTime(Date.now() + 90_000);
  uuids.push(...many(5_000));
  expect(uuids).toEqual(uuids.toSorted());
  expect(new Set(uuids).size).toBe(uuids.length);
});

test('no randomness is used twice, across many fillings of the pool', () => {
  const uuids = many(10_000);
  // The last 40 bits are random alone: some twenty thousandths of a pair among so many are expected to collide.
  expect(new Set(uuids.map((uuid) => uuid.slice(-10))).size).toBeGreaterThan(uuids.length - 3);
});
