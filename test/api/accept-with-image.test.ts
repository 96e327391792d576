import pino from 'pino';
import { expect, test } from 'vitest';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from '../../src/api/accept-batcher.ts';
import type { AcceptOutcome } from '../../src/api/accept-jobs.ts';
import { acceptWithImage } from '../../src/api/accept-with-image.ts';
import { Problem } from '../../src/api/problem.ts';
import type { NewJob } from '../../src/db/accept.ts';
import type { ImageStore } from '../../src/storage/image-store.ts';
import { target } from './api-bench.ts';

const job: NewJob = {
  id: 'video_1',
  tenant: 'default',
  request: { prompt: 'a fox', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' },
  route: [target],
  inputImage: null,
  queueTtlSeconds: 3_600,
  idempotency: null,
};
const image = { bytes: Buffer.from('picture'), contentType: 'image/png' } as const;

function setup(submit: (job: NewJob, waitMs?: number) => Promise<AcceptOutcome>, overrides: Partial<ImageStore> = {}) {
  const kept = new Set<string>();
  const images: ImageStore = {
    async save(name) {
      kept.add(`${name}.png`);
      return `${name}.png`;
    },
    read: async () => undefined,
    remove: async (key) => void kept.delete(key),
    ...overrides,
  };
  const acceptor = { submit, drain: async () => undefined };
  const app = { images, logger: pino({ level: 'silent' }) };
  const accept = () => acceptWithImage({ app, acceptor }, { job, image, waitMs: 1_000 });
  return { accept, kept };
}

const standing = { askedId: 'video_1', id: 'video_0', fingerprint: null, acceptedAt: 0, request: null, model: 'm' };

test('an accepted job has its picture, within the wait of its request', async () => {
  let submitted: NewJob | undefined;
  const { accept, kept } = setup(async (job, waitMs) => {
    submitted = job;
    expect(waitMs).toBe(1_000);
    return { kind: 'accepted', acceptedAt: 1 };
  });
  expect(await accept()).toEqual({ kind: 'accepted', acceptedAt: 1 });
  expect([submitted?.inputImage, ...kept]).toEqual(['video_1.png', 'video_1.png']);
});

test.each<AcceptOutcome>([{ kind: 'replayed', standing: { ...standing, route: [] } }, { kind: 'mismatch' }])(
  'the picture of no new job goes: $kind',
  async (outcome) => {
    const { accept, kept } = setup(async () => outcome);
    expect(await accept()).toBe(outcome);
    expect(kept.size).toBe(0);
  },
);

const never = new BatchUnansweredError('late', { inDoubt: false });
const perhaps = new BatchUnansweredError('unanswered', { inDoubt: true });
test.each([
  { after: 'a full backlog', error: new BacklogFullError(), kind: 'overloaded', pictures: 0 },
  { after: 'what can not be stored', error: new UnwritableItemError(), kind: 'invalid_request', pictures: 0 },
  { after: 'a wait that ended in the queue', error: never, kind: 'database_unavailable', pictures: 0 },
  { after: 'a commit in doubt', error: perhaps, kind: 'database_unavailable', pictures: 1 },
])('after $after the picture is kept only if its job may be', async ({ error, kind, pictures }) => {
  const { accept, kept } = setup(() => Promise.reject(error));
  const problem = await accept().catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({ kind });
  expect(kept.size).toBe(pictures);
});

test('a picture that can not be removed changes no answer', async () => {
  const remove = () => Promise.reject(new Error('EIO'));
  expect(await setup(async () => ({ kind: 'mismatch' }), { remove }).accept()).toEqual({ kind: 'mismatch' });
});
