import { v7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import { seeded } from '../support/seeded.ts';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack(() => ({ models: { anywhere: ['wavespeed/wan-2.6'], stops: ['replicate/wan-2.6'] } }));

interface Receipt {
  readonly erased: readonly string[];
  readonly pending: readonly string[];
  readonly provider: readonly { readonly operation: string | null; readonly outcome: string }[];
  readonly erased_at: number | null;
}

async function remove(id: string, headers: Record<string, string> = {}): Promise<Receipt> {
  const response = await fetch(`${stack.url}/v1/videos/${id}`, { method: 'DELETE', headers });
  expect(response.status).toBe(200);
  return (await response.json()).receipt;
}

/** The receipt as it is by now, once nothing is left. */
async function untilErased(id: string): Promise<Receipt> {
  return await until(
    `everything of ${id} is gone`,
    async () => {
      const receipt = await remove(id, { 'x-stainless-retry-count': '1' });
      return receipt.erased_at === null ? undefined : receipt;
    },
    { withinMs: 60_000, everyMs: 200 },
  );
}

async function statusOf(id: string): Promise<number> {
  return (await fetch(`${stack.url}/v1/videos/${id}`)).status;
}

async function phaseOf(id: string): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ phase: string }>('SELECT phase FROM jobs WHERE id = $1', [id]);
  return rows[0]?.phase;
}

describe('a deletion', () => {
  test('of a completed video erases it here and at its vendor', async () => {
    const { id } = await stack.accept({ prompt: 'done', model: 'anywhere' });
    await stack.untilFinal(id);
    const { pending } = await remove(id);
    expect(await statusOf(id)).toBe(404);
    const receipt = await untilErased(id);
    expect(receipt).toMatchObject({ erased: ['request', 'video'], pending: [], provider: [{ outcome: 'erased' }] });
    expect(pending.length).toBeLessThanOrEqual(1);
    expect(await predictionOf(id)).toMatchObject({ deleted: true });
  });

  test('of a rendering job ends it first, and the vendor is asked only when it is done', async () => {
    const { id } = await stack.accept({ prompt: '[sim:stuck] rendering', model: 'anywhere' });
    await until('it renders', async () => (await predictionOf(id))?.status === 'processing');
    expect(await remove(id)).toMatchObject({ erased: ['request'], erased_at: null });
    await until('it has ended here', async () => (await phaseOf(id)) === 'cancelled');
    expect(await predictionOf(id)).toMatchObject({ status: 'processing', deleted: false });
    await stack.vendor.finish((await predictionOf(id))?.id ?? '');
    expect(await untilErased(id)).toMatchObject({ pending: [], provider: [{ outcome: 'erased' }] });
    expect(await predictionOf(id)).toMatchObject({ status: 'completed', deleted: true });
  });

  test('where the vendor can stop, but forgets by its own rules', async () => {
    const { id } = await stack.accept({ prompt: '[sim:stuck] rendering', model: 'stops' });
    await until('it renders', async () => (await predictionOf(id))?.status === 'processing');
    await remove(id);
    expect(await untilErased(id)).toMatchObject({ provider: [{ outcome: 'not_supported' }] });
    expect(await predictionOf(id)).toMatchObject({ status: 'cancelled' });
  });

  test('at any moment leaves nothing of the prompt, in the database or in the store', async () => {
    const random = seeded(41);
    const canary = `canary-${v7()}`;
    const ids = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const { id } = await stack.accept({ prompt: `${canary} ${index}`, metadata: { canary }, user: canary });
        const events = 1 + Math.floor(random() * 7);
        await until(`${events} events`, async () => {
          const sql = 'SELECT 1 FROM jobs WHERE id = $1 AND (event_seq >= $2 OR finished_at IS NOT NULL)';
          return (await stack.pool.query(sql, [id, events])).rows.length === 1;
        });
        await remove(id);
        return id;
      }),
    );
    for (const id of ids) {
      await untilErased(id);
      expect(await statusOf(id)).toBe(404);
    }
    // The names of end users leave the lines with those who wait in them (docs/privacy.md).
    expect(await tablesWith(canary)).toEqual([]);
    const sql =
      'SELECT count(*)::int AS count FROM assets WHERE job = ANY ($1) AND stored_at IS NOT NULL AND removed_at IS NULL';
    expect((await stack.pool.query(sql, [ids])).rows).toEqual([{ count: 0 }]);
  });
});

async function predictionOf(id: string) {
  const predictions: readonly { readonly id: string; readonly status: string; readonly correlation: string | null }[] =
    await stack.vendor.predictions();
  return predictions.find(({ correlation }) => correlation === `${id}.1`);
}

async function tablesWith(word: string): Promise<readonly string[]> {
  const { rows } = await stack.pool.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('arrivals', 'flows', 'depths') ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of rows) {
    const sql = `SELECT 1 FROM ${name} AS everything WHERE everything::text LIKE '%' || $1 || '%' LIMIT 1`;
    if (((await stack.pool.query(sql, [word])).rowCount ?? 0) > 0) found.push(name);
  }
  return found;
}
