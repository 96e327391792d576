import { afterAll, describe, expect, inject, test } from 'vitest';
import { type CuttableProxy, openProxy } from '../api/cuttable-proxy.ts';
import { seeded } from '../support/seeded.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let proxy: CuttableProxy;

const stack = useStack(async () => {
  const [host = '', port = ''] = inject('temporalAddress').split(':');
  proxy = await openProxy({ host, port: Number(port) });
  return { limits: { outstanding: 5, perMinute: 1_200 }, temporalAddressOfParts: `127.0.0.1:${proxy.port}` };
});
afterAll(async () => await proxy.close());

function cancellation(state: string) {
  return { state, provider_stops: true, may_still_cost_usd: 0 };
}

async function permits(id: string): Promise<number> {
  return (await stack.pool.query('SELECT 1 FROM permits WHERE job = $1', [id])).rowCount ?? 0;
}

async function submits(id: string): Promise<number> {
  return (await stack.vendor.submits()).filter(({ correlation }) => correlation?.startsWith(`${id}.`)).length;
}

/** Ends at the vendor what would never end. */
async function finishAll(): Promise<void> {
  const open = (await stack.vendor.predictions()).filter(
    ({ status }) => status === 'created' || status === 'processing',
  );
  await Promise.all(open.map(({ id }) => stack.vendor.finish(id)));
}

describe('a cancel ends a job exactly once', () => {
  test('in line', async () => {
    const ahead = await Promise.all(
      Array.from({ length: 5 }, () => stack.accept({ prompt: '[sim:stuck] ahead', fallback: 'none' })),
    );
    await until('the account is full', async () => (await stack.vendor.counts()).outstanding === 5);
    const { id } = await stack.accept({ prompt: 'in line' });
    const ended = { status: 'cancelled', attempts: 0, cost_usd: null, cancellation: cancellation('cancelled') };
    expect(await stack.cancel(id)).toMatchObject(ended);
    expect(await stack.cancel(id)).toMatchObject(ended);
    await finishAll();
    await stack.untilAllFinal(ahead.map((job) => job.id));
    expect(await submits(id)).toBe(0);
  });

  test('between grant and start: it is never bought', async () => {
    proxy.set('refuse');
    const { id } = await stack.accept({ prompt: 'granted' });
    await until('it is granted', async () => (await permits(id)) === 1);
    expect(await stack.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect(await permits(id)).toBe(0);
    proxy.set('open');
    // Whoever comes after it is served, so the way to the vendor is open again.
    const after = await stack.accept({ prompt: 'after the granted one' });
    expect(await stack.untilFinal(after.id, { withinMs: 60_000 })).toMatchObject({ status: 'completed' });
    expect(await stack.get(id)).toMatchObject({ status: 'cancelled', attempts: 0 });
    expect(await submits(id)).toBe(0);
  });

  test('while the submit is under way', async () => {
    const { id } = await stack.accept({ prompt: '[sim:submit-slow=2000][sim:stuck] submitting' });
    await until('the submit has reached the vendor', async () => (await submits(id)) === 1);
    await stack.cancel(id);
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'cancelled', attempts: 1 });
    await until('the answer is noted', async () => {
      const { rows } = await stack.pool.query('SELECT 1 FROM attempts WHERE job = $1 AND operation IS NOT NULL', [id]);
      return rows.length === 1;
    });
    await finishAll();
    expect(await submits(id)).toBe(1);
  });

  test('while it renders', async () => {
    const { id } = await stack.accept({ prompt: '[sim:stuck] rendering' });
    await until('it renders', async () => (await stack.get(id)).status === 'in_progress');
    await until('the vendor works on it', async () =>
      (await stack.vendor.predictions()).some(
        ({ correlation, status }) => correlation === `${id}.1` && status === 'processing',
      ),
    );
    const { may_still_cost_usd: mayStillCostUsd, ...rest } = (await stack.cancel(id)).cancellation;
    expect(rest).toEqual({ state: 'requested', provider_stops: false });
    expect(mayStillCostUsd).toBeGreaterThan(0);
    expect(await stack.untilFinal(id)).toMatchObject({ status: 'cancelled', attempts: 1 });
    await finishAll();
    expect(await stack.get(id)).toMatchObject({ status: 'cancelled' });
  });

  test('never, once it is completed', async () => {
    const { id } = await stack.accept({ prompt: 'done' });
    const video = await stack.untilFinal(id);
    expect(await stack.cancel(id)).toEqual({ ...video, cancellation: cancellation('too_late') });
  });

  test('at any moment', async () => {
    const random = seeded(23);
    const ends = new Set<string>();
    for (let round = 0; round < 5; round += 1) for (const { status } of await cancelSome(10, random)) ends.add(status);
    expect([...ends].toSorted()).toEqual(['cancelled', 'completed']);
  });

  async function cancelSome(count: number, random: () => number) {
    return await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const { id } = await stack.accept({ prompt: `any moment ${index}` });
        const events = 1 + Math.floor(random() * 6);
        // The moment is when its story has so many events, or it has ended before.
        await until(`${events} events`, async () => {
          const { rows } = await stack.pool.query('SELECT 1 FROM jobs WHERE id = $1 AND event_seq >= $2', [id, events]);
          return rows.length === 1;
        });
        await stack.cancel(id);
        return await stack.untilFinal(id);
      }),
    );
  }
});
