import { expect, test } from 'vitest';
import { limits } from '../../src/domain/limits/limits.ts';
import { payloadOf, type ToldJob } from '../../src/webhooks/payload.ts';

const job: ToldJob = {
  id: 'video_01970000-0000-7000-8000-000000000001',
  model: 'wan-2.6',
  acceptedAt: 1_763_750_000_123,
  finishedAt: 1_763_750_060_456,
  failureCode: null,
  metadata: { device: 'abc' },
  costUsdMicros: 500_000,
  expiresAt: 1_766_342_060_456,
  output: { contentType: 'video/mp4', bytes: 5, sha256: 'ab'.repeat(32) },
};
const told = { kind: 'video.completed', eventAt: 1_763_750_060_456, job, publicUrl: 'https://videos.example.com' };
const parse = (given: Parameters<typeof payloadOf>[0]) => JSON.parse(payloadOf(given).toString());

test('a completed video', () => {
  expect(parse(told)).toEqual({
    type: 'video.completed',
    timestamp: '2025-11-21T18:34:20.456Z',
    data: {
      id: job.id,
      object: 'video',
      status: 'completed',
      model: 'wan-2.6',
      created_at: 1_763_750_000,
      completed_at: 1_763_750_060,
      expires_at: 1_766_342_060,
      error: null,
      cost_usd: 0.5,
      metadata: { device: 'abc' },
      url: `https://videos.example.com/v1/videos/${job.id}`,
      outputs: [
        {
          url: `https://videos.example.com/v1/videos/${job.id}/content`,
          content_type: 'video/mp4',
          bytes: 5,
          sha256: 'ab'.repeat(32),
        },
      ],
    },
  });
});

test('without a public URL links are paths of the API', () => {
  expect(parse({ ...told, publicUrl: undefined }).data.url).toBe(`/v1/videos/${job.id}`);
});

test('a cancelled and an erased one', () => {
  const cancelled = { ...job, metadata: null, output: null, expiresAt: null };
  expect(parse({ ...told, kind: 'video.cancelled', job: cancelled }).data).toMatchObject({
    status: 'cancelled',
    metadata: {},
    outputs: [],
    completed_at: null,
    error: null,
  });
});

test('a test call tells of no job', () => {
  expect(parse({ ...told, kind: 'webhook.test', job: null })).toMatchObject({
    type: 'webhook.test',
    data: { object: 'test' },
  });
});

test('the largest metadata that there can be is left out rather than sent', () => {
  const value = '\u0001'.repeat(limits.metadataValueCharsMax);
  const metadata = Object.fromEntries(
    Array.from({ length: limits.metadataEntriesMax }, (_, index) => [
      `${index}`.padEnd(limits.metadataKeyCharsMax, 'ж'),
      value,
    ]),
  );
  const body = payloadOf({ ...told, job: { ...job, metadata } });
  expect(body.byteLength).toBeLessThanOrEqual(limits.webhookPayloadBytesMax);
  expect(JSON.parse(body.toString()).data.metadata).toEqual({});
});
