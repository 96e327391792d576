import { expect, test } from 'vitest';
import { parseRange } from '../../src/simulator/byte-range.ts';
import { correlationOf } from '../../src/simulator/correlation.ts';
import { createMediaStore } from '../../src/simulator/media-store.ts';
import { createPeakRate } from '../../src/simulator/peak-rate.ts';
import { createRateWindow } from '../../src/simulator/rate-window.ts';
import { sampleVideo } from '../../src/simulator/sample-video.ts';

test.each([
  [undefined, 'whole'],
  ['bytes=0-', { start: 0, end: 99 }],
  ['bytes=10-19', { start: 10, end: 19 }],
  ['bytes=90-500', { start: 90, end: 99 }],
  ['bytes=-10', { start: 90, end: 99 }],
  ['bytes=-500', { start: 0, end: 99 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=20-10', 'whole'],
  ['bytes=0-1,5-6', 'whole'],
  ['bytes=-', 'whole'],
])('range %s', (header, expected) => {
  expect(parseRange(header, 100)).toEqual(expected);
});

test('a minute holds its limit, the next one begins afresh', () => {
  const rate = createRateWindow(2);
  expect([0, 1, 59_999].map((nowMs) => rate.take(nowMs))).toEqual([true, true, false]);
  expect(rate.take(60_000)).toBe(true);
});

test('the peak is the fullest window', () => {
  const peak = createPeakRate(1_000);
  for (const nowMs of [0, 999, 1_000, 1_001, 1_002, 5_000]) peak.add(nowMs);
  expect(peak.max).toBe(3);
});

function medium(size: number) {
  return { type: 'image/png', filename: 'a.png', bytes: Buffer.alloc(size) };
}

test('old uploads make room, but the newest always stays', () => {
  const store = createMediaStore(10);
  store.save('a', medium(6));
  store.save('b', medium(6));
  store.save('c', medium(20));
  expect(['a', 'b', 'c'].map((id) => store.find(id) !== undefined)).toEqual([false, false, true]);
});

test('the attempt is the last path segment but one', () => {
  expect(correlationOf('http://host/v1/callbacks/wavespeed/att_1/token?x=1')).toBe('att_1');
  expect(correlationOf('http://host/')).toBeUndefined();
  expect(correlationOf(undefined)).toBeUndefined();
});

test('the sample is an MP4 with its index in front', () => {
  expect(sampleVideo.subarray(4, 8).toString()).toBe('ftyp');
  expect(sampleVideo.indexOf('moov')).toBeLessThan(sampleVideo.indexOf('mdat'));
  expect(sampleVideo.indexOf('avc1')).toBeGreaterThan(0);
});
