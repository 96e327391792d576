import pino from 'pino';
import { expect, test } from 'vitest';
import { BacklogFullError, BatchUnansweredError, UnwritableItemError } from '../../../src/api/accept/accept-batcher.ts';
import type { AcceptOutcome } from '../../../src/api/accept/accept-jobs.ts';
import { acceptWithImage, type InputImage } from '../../../src/api/accept/accept-with-image.ts';
import type { DatabaseWait } from '../../../src/api/database-wait.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import type { UploadKeeper } from '../../../src/api/input/upload-keeper.ts';
import type { NewJob } from '../../../src/db/jobs/accept.ts';
import type { NewUpload } from '../../../src/db/jobs/uploads.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { target } from '../api-bench.ts';

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
  bytesPromised: 9,
  contentType: 'image/webp',
  pointer: '/input_reference',
};

const note = { id: 'video_1', tenant: 'default', secondsKept: 86_400 };

type Submit = (job: NewJob, waitMs?: number) => Promise<AcceptOutcome>;

interface Trouble extends Partial<ObjectStore> {
  readonly keep?: UploadKeeper['keep'];
}

function setup(submit: Submit, { keep, ...overrides }: Trouble = {}) {
  const kept = new Set(['uploads/default/upload_1.jpg']);
  const store: ObjectStore = {
    write: async (key) => void kept.add(key),
    copy: async (from, to) => kept.has(from) && Boolean(kept.add(to)),
    open: async () => undefined,
    describe: async () => undefined,
    remove: async (key) => void kept.delete(key),
    ...overrides,
  };
  const inputs = () => [...kept].filter((key) => key.startsWith('inputs/'));
  const notes: (NewUpload & { readonly kept: readonly string[] })[] = [];
  const drain = async () => undefined;
  const acceptor = { submit, drain };
  const keeper: UploadKeeper = {
    keep: keep ?? (async (upload) => void notes.push({ ...upload, kept: inputs() })),
    drain,
  };
  const app = { store, logger: pino({ level: 'silent' }) };
  const wait: DatabaseWait = { answered: (work) => work, besides: (work) => work, leftMs: () => 1_000 };
  const accept = (image: InputImage | 'none' = sent, isShared = false) =>
    acceptWithImage({ app, acceptor, keeper }, { job, image: image === 'none' ? undefined : image, wait, isShared });
  return { accept, inputs, kept, notes };
}

const standing = {
  askedId: 'video_1',
  id: 'video_0',
  fingerprint: null,
  acceptedAt: 0,
  request: null,
  model: 'm',
  isErased: false,
};
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

test('a job without a picture has none, and asks nobody to note one', async () => {
  let submitted: NewJob | undefined;
  const { accept, inputs, notes } = setup(async (job) => {
    submitted = job;
    return accepted;
  });
  await accept('none');
  expect([submitted?.inputImage, submitted?.inputUrl, inputs()]).toEqual([null, null, []]);
  await accept({ kind: 'url', url: 'https://example.com/a' });
  expect(notes).toEqual([]);
});

test.each([
  { form: 'bytes', image: sent, noted: { key: 'inputs/default/video_1.png', bytes: 7 } },
  { form: 'an upload', image: uploaded, noted: { key: 'inputs/default/video_1.webp', bytes: 9 } },
])('where a picture is about to lie is noted before it does, for whoever sweeps: $form', async ({ image, noted }) => {
  const { accept, notes } = setup(async () => accepted);
  await accept(image);
  expect(notes).toEqual([{ ...note, ...noted, kept: [] }]);
});

test('a picture that can not be noted is not kept, and no job is accepted', async () => {
  const refusal = new Problem('database_unavailable');
  const submit: Submit = () => Promise.reject(new Error('nobody asks for this'));
  const { accept, inputs } = setup(submit, { keep: () => Promise.reject(refusal) });
  expect(await accept().catch((error: unknown) => error)).toBe(refusal);
  expect(inputs()).toEqual([]);
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

test('a picture that may be the one of another try of the request is left to retention', async () => {
  const { accept, inputs } = setup(() => Promise.reject(new BacklogFullError()));
  await expect(accept(sent, true)).rejects.toMatchObject({ kind: 'overloaded' });
  expect(inputs()).toHaveLength(1);
  const broken = setup(async () => accepted, { write: () => Promise.reject(new Error('EIO')), remove: notExpected });
  await expect(broken.accept(sent, true)).rejects.toMatchObject({ kind: 'storage_unavailable' });
});

async function notExpected(): Promise<never> {
  throw new Error('nothing is to be removed');
}

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
