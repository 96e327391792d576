import { beforeEach, describe, expect, test } from 'vitest';

import type {
  CallbackDelivery,
  OperationHandle,
  Progress,
  StartOrder,
  StartOutcome,
  VideoProvider,
} from '../../src/providers/provider.ts';

/** What an order can be made to meet at the vendor. */
export type Scenario =
  | 'plain'
  | 'rate_limited'
  | 'invalid'
  | 'no_credit'
  | 'error_before'
  | 'error_after'
  | 'reset_before'
  | 'reset_after'
  | 'hang_after'
  | 'data_removed';

/** An adapter and its vendor, as the suite needs them. One is made for each test. */
export interface ProviderBench {
  readonly provider: VideoProvider;
  /** The same adapter, with a key that its vendor does not know. */
  readonly stranger: VideoProvider;
  /** The same adapter, at an address where nobody listens. */
  readonly unreachable: VideoProvider;
  order(scenario: Scenario, seed?: number): StartOrder;
  /** Ends an operation now, and resolves when its callback has been delivered. */
  finish(operation: string, ending: 'completed' | 'failed' | 'moderated'): Promise<void>;
  /** How many orders reached the vendor, by its own count. */
  ordersSeen(): Promise<number>;
  /** The deliveries to our callback URL so far. */
  readonly deliveries: readonly CallbackDelivery[];
}

/** What every adapter must do, whoever its vendor is. */
export function exerciseProvider(make: () => Promise<ProviderBench>): void {
  let bench: ProviderBench;
  beforeEach(async () => {
    bench = await make();
  });

  describe('start', () => {
    test.each([
      ['plain', 'accepted'],
      ['rate_limited', 'refused'],
      ['invalid', 'refused'],
      ['no_credit', 'refused'],
      ['error_before', 'unknown'],
      ['error_after', 'unknown'],
      ['reset_before', 'unknown'],
      ['reset_after', 'unknown'],
      ['hang_after', 'unknown'],
    ] as const)('%s is %s, and was sent once', async (scenario, kind) => {
      const outcome = await bench.provider.start(bench.order(scenario));
      expect([outcome.kind, await bench.ordersSeen()]).toEqual([kind, 1]);
    });

    test.each([
      ['rate_limited', { code: 'rate_limited', retry: 'same' }],
      ['invalid', { code: 'invalid_input', retry: 'never' }],
      ['no_credit', { code: 'no_credit', retry: 'elsewhere' }],
      ['reset_after', { code: 'ambiguous_submit' }],
    ] as const)('%s names its class', async (scenario, failure) => {
      expect(await bench.provider.start(bench.order(scenario))).toMatchObject({ failure });
    });

    test('a wrong key is refused, and it may be another vendor’s job', async () => {
      const outcome = await bench.stranger.start(bench.order('plain'));
      expect(outcome).toMatchObject({ kind: 'refused', failure: { code: 'auth', retry: 'elsewhere' } });
    });

    test('no connection is proof', async () => {
      const outcome = await bench.unreachable.start(bench.order('plain'));
      expect(outcome).toMatchObject({ kind: 'refused', failure: { code: 'unreachable', retry: 'same' } });
    });
  });

  describe('check', () => {
    test('follows an operation to its video', async () => {
      const operation = await accepted(bench);
      expect(['queued', 'running']).toContain((await bench.provider.check(handleOf(bench, operation))).kind);
      await bench.finish(operation, 'completed');
      const progress = await bench.provider.check(handleOf(bench, operation));
      expect(progress).toMatchObject({ kind: 'finished', video: { url: expect.stringMatching(/^https?:/) } });
      const again = await bench.provider.check(handleOf(bench, operation));
      expect(again).toMatchObject({ kind: 'finished' });
      expect(fileOf(again)).toBe(fileOf(progress));
    });

    test('the video can be had without a key', async () => {
      const operation = await accepted(bench);
      await bench.finish(operation, 'completed');
      const progress = await bench.provider.check(handleOf(bench, operation));
      const response = await fetch(progress.kind === 'finished' ? progress.video.url : '');
      expect([response.status, response.headers.get('content-type')]).toEqual([200, 'video/mp4']);
      await response.body?.cancel();
    });

    test.each([
      ['failed', { code: 'provider_failed', retry: 'same' }],
      ['moderated', { code: 'moderation', retry: 'never' }],
    ] as const)('%s', async (ending, failure) => {
      const operation = await accepted(bench);
      await bench.finish(operation, ending);
      expect(await bench.provider.check(handleOf(bench, operation))).toMatchObject({ kind: 'failed', failure });
    });

    test('an operation that the vendor does not know is an answer', async () => {
      const progress = await bench.provider.check(handleOf(bench, 'nobody-knows-this'));
      expect(progress).toMatchObject({ kind: 'failed', failure: { code: 'provider_failed', retry: 'elsewhere' } });
    });

    test('a finished operation whose data are gone is no video', async () => {
      const operation = await accepted(bench, 'data_removed');
      await bench.finish(operation, 'completed');
      const progress = await bench.provider.check(handleOf(bench, operation));
      expect(progress).toMatchObject({ kind: 'failed', failure: { retry: 'elsewhere' } });
    });

    test('a wrong key says nothing of the operation', async () => {
      const asked = bench.stranger.check(handleOf(bench, await accepted(bench)));
      await expect(asked).rejects.toMatchObject({ name: 'ProviderUnreachableError', failure: { code: 'auth' } });
    });

    test('nobody there is no answer', async () => {
      await expect(bench.unreachable.check(handleOf(bench, 'op-1'))).rejects.toMatchObject({
        name: 'ProviderUnreachableError',
      });
    });
  });

  describe('cancel', () => {
    test('is there exactly when it means something', () => {
      expect(bench.provider.cancel !== undefined).toBe(bench.provider.cancelMeans !== 'none');
    });

    test('is confirmed, and ends the operation for us', async () => {
      const operation = await accepted(bench);
      if (!bench.provider.cancel) return;
      expect(await bench.provider.cancel(handleOf(bench, operation))).toBe(true);
      expect(await bench.provider.check(handleOf(bench, operation))).toMatchObject({
        kind: 'failed',
        failure: { retry: 'elsewhere' },
      });
    });

    test('confirms nothing for an operation that the vendor does not know', async () => {
      const confirmed = await bench.provider.cancel?.(handleOf(bench, 'nobody-knows-this'));
      expect(confirmed ?? false).toBe(false);
    });

    test('never throws for want of an answer', async () => {
      const confirmed = await bench.unreachable.cancel?.(handleOf(bench, 'op-1'));
      expect(confirmed ?? false).toBe(false);
    });
  });

  describe('erase', () => {
    test('leaves nothing of what has ended, however often it is asked', async () => {
      const operation = await accepted(bench);
      await bench.finish(operation, 'completed');
      if (!bench.provider.erase) return;
      await bench.provider.erase(handleOf(bench, operation));
      await bench.provider.erase(handleOf(bench, operation));
      expect(await bench.provider.check(handleOf(bench, operation))).toMatchObject({ kind: 'failed' });
    });

    test('of what the vendor does not know has nothing to do', async () => {
      expect(await bench.provider.erase?.(handleOf(bench, 'nobody-knows-this'))).toBeUndefined();
    });

    test('is not done where nobody says so', async () => {
      if (!bench.provider.erase) return;
      for (const provider of [bench.unreachable, bench.stranger]) {
        const asked = provider.erase?.(handleOf(bench, await accepted(bench)));
        await expect(asked).rejects.toMatchObject({ name: 'ProviderUnreachableError' });
      }
    });
  });

  describe('readCallback', () => {
    test('is there exactly when its vendor delivers anything', async () => {
      await bench.finish(await accepted(bench), 'completed');
      expect(bench.deliveries.length > 0).toBe(bench.provider.readCallback !== undefined);
    });

    test.each(['completed', 'failed', 'moderated'] as const)('reads %s, and agrees with a check', async (ending) => {
      const operation = await accepted(bench);
      if (!bench.provider.readCallback) return;
      await bench.finish(operation, ending);
      const progress = await bench.provider.check(handleOf(bench, operation));
      expect(await bench.provider.readCallback?.(onlyDelivery(bench))).toEqual({ kind: 'report', operation, progress });
    });

    test('trusts no changed byte, nor an old delivery', async () => {
      await bench.finish(await accepted(bench), 'completed');
      if (!bench.provider.readCallback) return;
      const delivery = onlyDelivery(bench);
      const rawBody = Buffer.concat([delivery.rawBody, Buffer.from(' ')]);
      expect(await bench.provider.readCallback?.({ ...delivery, rawBody })).toMatchObject({ kind: 'forged' });
      expect(await bench.provider.readCallback?.({ ...delivery, now: delivery.now + 3_600_000 })).toMatchObject({
        kind: 'forged',
      });
    });
  });

  describe('find', () => {
    test.each(['error_after', 'reset_after', 'hang_after'] as const)('adopts after %s', async (scenario) => {
      if (!bench.provider.find) return;
      const window = { createdAfter: Date.now() - 1_000, createdBefore: Date.now() + 60_000 };
      const order = bench.order(scenario, 77);
      await bench.provider.start(bench.order('plain', 76));
      expect((await bench.provider.start(order)).kind).toBe('unknown');
      const found = await bench.provider.find({ model: order.model, seed: 77, ...window });
      expect(found).toHaveLength(1);
      const progress = await bench.provider.check(handleOf(bench, found[0]?.operation ?? ''));
      expect(['queued', 'running']).toContain(progress.kind);
    });

    test('finds none where nothing was created', async () => {
      if (!bench.provider.find) return;
      const order = bench.order('error_before', 78);
      await bench.provider.start(order);
      const window = { createdAfter: Date.now() - 1_000, createdBefore: Date.now() + 60_000 };
      expect(await bench.provider.find({ model: order.model, seed: 78, ...window })).toEqual([]);
    });
  });

  test('uploadImage returns a URL that the vendor takes', async () => {
    const image = { bytes: Buffer.from([0x89, 0x50, 0x4e, 0x47]), contentType: 'image/png' } as const;
    const url = await bench.provider.uploadImage?.(image);
    expect(url ?? 'https://no.uploads').toMatch(/^(https?|data):/);
  });
}

function handleOf(bench: ProviderBench, operation: string): OperationHandle {
  return { operation, model: bench.order('plain').model };
}

/** A vendor may sign the URL anew for every answer; it is the same file. */
function fileOf(progress: Progress): string | undefined {
  return progress.kind === 'finished' ? progress.video.url.replace(/\?.*/, '') : undefined;
}

async function accepted(bench: ProviderBench, scenario: Scenario = 'plain'): Promise<string> {
  const outcome: StartOutcome = await bench.provider.start(bench.order(scenario));
  if (outcome.kind !== 'accepted') throw new Error(`a plain order was not accepted: ${outcome.kind}`);
  return outcome.operation;
}

function onlyDelivery(bench: ProviderBench): CallbackDelivery {
  const [delivery, ...others] = bench.deliveries;
  if (!delivery || others.length > 0) throw new Error(`expected one delivery, got ${bench.deliveries.length}`);
  return delivery;
}
