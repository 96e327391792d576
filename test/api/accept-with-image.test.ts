import pino from 'pino';
import { expect, test } from 'vitest';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from '../../src/api/accept-batcher.ts';
import type { AcceptOutcome } from '../../src/api/accept-jobs.ts';
import { acceptWithImage, type InputImage } from '../../src/api/accept-with-image.ts';
import { Problem } from '../../src/api/problem.ts';
import type { NewJob } from '../../src/db/accept.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { target } from './api-bench.ts';

const job: NewJob = {
  id: 'video_1',
  tenant: 'default',
  request: { prompt: 'a fox', model: 'wan-2.6', seconds: 5, size: '1280x720', priority: 'normal' },
  route: [target],
  inputImage: null,
  inputUrl: null,
  queueTtlSeconds: 3_600,
  idempotency: null,
};
const sent: InputImage = { kind: 'bytes', bytes: Buffer.from('picture'), contentType: 'image/png' };
const uploaded: InputImage = {
  kind: 'upload',
  key: 'uploads/default/upload_1.jpg',
  contentType: 'image/webp',
  pointer: '/input_reference',
};

type Submit = (job: NewJob, waitMs?: number) => Promise<AcceptOutcome>;

function setup(submit: Submit, overrides: Partial<ObjectStore> = {}) {
  const kept = new Set(['uploads/default/upload_1.jpg']);
  const store: ObjectStore = {
    write: async (key) => void kept.add(key),
    copy: async (from, to) => kept.has(from) && Boolean(kept.add(to)),
    open: async () => undefined,
    describe: async () => undefined,
    remove: async (key) => void kept.delete(key),
    ...overrides,
  };
  const acceptor = { submit, drain: async () => undefined };
  const app = { store, logger: pino({ level: 'silent' }) };
  const accept = (image: InputImage | 'none' = sent) =>
    acceptWithImage({ app, acceptor }, { job, image: image === 'none' ? undefined : image, waitMs: 1_000 });
  const inputs = () => [...kept].filter((key) => key.startsWith('inputs/'));
  return { accept, inputs, kept };
}

const standing = { askedId: 'video_1', id: 'video_0', fingerprint: null, acceptedAt: 0, request: null, model: 'm' };
const accepted: AcceptOutcome = { kind: 'accepted', acceptedAt: 1 };

test.each([
  { form: 'bytes', image: sent, input: { inputImage: 'inputs/default/video_1.png', inputUrl: null } },
  { form: 'an upload', image: uploaded, input: { inputImage: 'inputs/default/video_1.webp', inputUrl: null } },
  {
    form: 'a URL',
    image: { kind: 'url', url: 'https://example.com/a' } as const,
    input: { inputImage: null, inputUrl: 'https://example.com/a' },
  },
])('an accepted job has its picture, within the wait of its request: $form', async ({ image, input }) => {
  let submitted: NewJob | undefined;
  const { accept, inputs } = setup(async (job, waitMs) => {
    submitted = job;
    expect(waitMs).toBe(1_000);
    // Kept before the job is.
    expect(inputs()).toEqual(job.inputImage === null ? [] : [job.inputImage]);
    return accepted;
  });
  expect(await accept(image)).toEqual(accepted);
  expect(submitted).toMatchObject(input);
  expect(inputs()).toEqual(input.inputImage === null ? [] : [input.inputImage]);
});

test('a job without a picture has none', async () => {
  let submitted: NewJob | undefined;
  const { accept, inputs } = setup(async (job) => {
    submitted = job;
    return accepted;
  });
  await accept('none');
  expect([submitted?.inputImage, submitted?.inputUrl, inputs()]).toEqual([null, null, []]);
});

test.each<AcceptOutcome>([{ kind: 'replayed', standing: { ...standing, route: [] } }, { kind: 'mismatch' }])(
  'the picture of no new job goes, and an upload stays for others: $kind',
  async (outcome) => {
    for (const image of [sent, uploaded]) {
      const { accept, inputs, kept } = setup(async () => outcome);
      expect(await accept(image)).toBe(outcome);
      expect(inputs()).toEqual([]);
      expect(kept).toContain('uploads/default/upload_1.jpg');
    }
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
  const { accept, inputs } = setup(() => Promise.reject(error));
  const problem = await accept().catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({ kind });
  expect(inputs()).toHaveLength(pictures);
});

test('an upload that expires at the last moment is not found, and nothing is accepted', async () => {
  const submit: Submit = () => Promise.reject(new Error('nobody asks for this'));
  const { accept, kept } = setup(submit);
  kept.clear();
  expect(await accept(uploaded).catch((error: unknown) => error)).toMatchObject({ kind: 'upload_not_found' });
});

test('a store that fails is a 503 that may be tried again, and what it may have kept goes', async () => {
  const submit: Submit = () => Promise.reject(new Error('nobody asks for this'));
  const removed: string[] = [];
  const { accept } = setup(submit, {
    write: () => Promise.reject(new Error('EIO')),
    remove: async (key) => void removed.push(key),
  });
  const problem = await accept().catch((error: unknown) => error);
  expect(problem).toMatchObject({
    kind: 'storage_unavailable',
    detail: { headers: { 'retry-after': expect.any(String) } },
  });
  expect(removed).toEqual(['inputs/default/video_1.png']);
});

test('a picture that can not be removed changes no answer', async () => {
  const remove = () => Promise.reject(new Error('EIO'));
  expect(await setup(async () => ({ kind: 'mismatch' }), { remove }).accept()).toEqual({ kind: 'mismatch' });
});
