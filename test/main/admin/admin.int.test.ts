import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseApiKey } from '../../../src/api/auth/api-key.ts';
import { findActiveKeys } from '../../../src/db/tenants/api-keys.ts';
import { listActions } from '../../../src/db/control/operator-actions.ts';
import { findTenant } from '../../../src/db/tenants/tenants.ts';
import { admin } from '../../../src/main/admin/admin.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

interface Said {
  readonly code: number;
  /** On standard output, and on standard error. */
  readonly out: string;
  readonly notes: string;
}

async function run(line: string, url: string | undefined = database.url): Promise<Said> {
  const [out, notes]: [string[], string[]] = [[], []];
  const code = await admin(line.split(' ').filter(Boolean), {
    databaseUrl: () => url,
    say: (text) => void out.push(text),
    note: (text) => void notes.push(text),
  });
  return { code, out: out.join('\n'), notes: notes.join('\n') };
}

/** What the key of a command's output opens. */
async function keyOf({ out }: Said) {
  const id = parseApiKey(out)?.id ?? '';
  const [key] = await findActiveKeys(database.pool, [id]);
  return key;
}

describe('a tenant', () => {
  test('is made with a key, which stands alone on standard output', async () => {
    const said = await run(
      'tenant create acme --name Acme --requests-per-minute 600 --queued-max 1000 --queued-per-user-max 10 ' +
        '--outstanding-max 50 --day-budget-usd 12.5 --month-budget-usd 100 --weight 2',
    );
    expect(said).toMatchObject({ code: 0, notes: expect.stringContaining('shown this once') });
    expect(await keyOf(said)).toMatchObject({ tenant: 'acme', scopes: ['read', 'write', 'webhooks'], leftMs: null });
    expect(said.notes).not.toContain(said.out);
    expect(await findTenant(database.pool, 'acme')).toMatchObject({
      name: 'Acme',
      weight: 2,
      activeKeys: 1,
      limits: {
        requestsPerMinute: 600,
        queuedMax: 1_000,
        queuedPerUserMax: 10,
        outstandingMax: 50,
        dayBudgetUsdMicros: 12_500_000,
        monthBudgetUsdMicros: 100_000_000,
      },
    });
  });

  test('is made once, and the second time nothing changes', async () => {
    await run('tenant create twice');
    const said = await run('tenant create twice --queued-max 1');
    expect(said).toMatchObject({ code: 1, out: '', notes: expect.stringContaining('tenant set') });
    expect(await findTenant(database.pool, 'twice')).toMatchObject({ activeKeys: 1, limits: { queuedMax: null } });
  });

  test('is changed in what is named and in nothing else, and a limit is lifted by `none`', async () => {
    await run('tenant create shop --requests-per-minute 600 --day-budget-usd 5');
    expect(await run('tenant set shop --requests-per-minute none --outstanding-max 7')).toMatchObject({ code: 0 });
    expect(await findTenant(database.pool, 'shop')).toMatchObject({
      limits: { requestsPerMinute: null, outstandingMax: 7, dayBudgetUsdMicros: 5_000_000 },
    });
  });

  test('is shown, alone and among the others', async () => {
    await run('tenant create seen --month-budget-usd 3.5');
    const shown = await run('tenant show seen');
    expect(shown.out).toMatch(/^id +seen$/m);
    expect(shown.out).toMatch(/^month budget +\$3\.50$/m);
    expect((await run('tenant list')).out).toMatch(/^seen +1 +none/m);
  });
});

test('what changes a tenant or its keys is written down with who, and why where that is said', async () => {
  const signed = ['--by', 'ann', '--reason', 'contract-7'].join(' ');
  const made = await run(`tenant create kept --queued-max 5 ${signed}`);
  const first = parseApiKey(made.out)?.id;
  await run(`tenant set kept --day-budget-usd 12 --queued-max none ${signed}`);
  const second = parseApiKey((await run(`key create kept --scopes admin --expires-in 90d ${signed}`)).out)?.id;
  await run(`key revoke ${second}`);
  for (const refused of ['tenant set kept', 'tenant create kept', 'key revoke nobody', 'tenant set none --weight 2'])
    expect((await run(refused)).code).not.toBe(0);
  const actions = await listActions(database.pool, { after: '0', subject: 'kept', count: 10 });
  const rows = actions.map(({ action, actor, reason, detail }) => [action, actor, reason, detail]);
  const key = { scopes: ['read', 'write', 'webhooks'], secondsValid: null };
  expect(rows).toEqual([
    ['create_tenant', 'ann', 'contract-7', { queued_max: 5 }],
    ['create_key', 'ann', 'contract-7', { ...key, key: first }],
    ['set_tenant', 'ann', 'contract-7', { day_budget_usd_micros: 12_000_000, queued_max: null }],
    ['create_key', 'ann', 'contract-7', { key: second, scopes: ['admin'], secondsValid: 90 * 86_400 }],
    ['revoke_key', expect.stringMatching(/\S/), '', { key: second }],
  ]);
  expect(await listActions(database.pool, { after: '0', subject: 'none', count: 10 })).toEqual([]);
});

describe('a key', () => {
  test('says what it may do and until when', async () => {
    await run('tenant create timed');
    const key = await keyOf(await run('key create timed --scopes read --expires-in 90d --name CI'));
    expect(key).toMatchObject({ tenant: 'timed', scopes: ['read'] });
    expect(key?.leftMs).toBeGreaterThan(89 * 86_400_000);
    expect(key?.leftMs).toBeLessThanOrEqual(90 * 86_400_000);
    expect((await run('key list timed')).out).toMatch(/active +read .* CI$/m);
  });

  test('is one of two at most, also where two operators make one at once', async () => {
    await run('tenant create pair');
    const made = await Promise.all([run('key create pair'), run('key create pair'), run('key create pair')]);
    expect(made.filter(({ code }) => code === 0)).toHaveLength(1);
    const refused = made.find(({ code }) => code === 1);
    expect(refused?.out).toBe('');
    const [, revocation = ''] = /npm run admin -- (key revoke \w+)/.exec(refused?.notes ?? '') ?? [];
    expect(await run(revocation)).toMatchObject({ code: 0 });
    expect(await run('key create pair')).toMatchObject({ code: 0 });
  });

  test('that has expired takes no place', async () => {
    await run('tenant create past');
    await run('key create past --expires-in 30m');
    await database.pool.query(
      `UPDATE api_keys SET expires_at = now() WHERE tenant = 'past' AND expires_at IS NOT NULL`,
    );
    expect(await run('key create past')).toMatchObject({ code: 0 });
    expect((await run('key list past')).out).toMatch(/ expired /);
  });

  test('is revoked by its id or by itself, and as often as one likes', async () => {
    const made = await run('tenant create gone');
    const id = parseApiKey(made.out)?.id ?? '';
    for (const name of [made.out, id]) {
      const said = await run(`key revoke ${name}`);
      expect(said).toMatchObject({ code: 0, notes: expect.stringContaining('within 60 s') });
      expect(said.notes).not.toContain(made.out);
    }
    expect(await findActiveKeys(database.pool, [id])).toEqual([]);
  });

  test('is shown by its secret nowhere', async () => {
    const { out } = await run('tenant create quiet');
    const secret = parseApiKey(out)?.secret ?? '';
    expect((await run('key list')).out).not.toContain(secret);
  });
});

describe('what is wrong is said, with what to do instead', () => {
  test.each([
    ['tenant create Acme', 'small letters'],
    ['tenant create ../up', 'small letters'],
    ['tenant create', 'Name the tenant'],
    ['tenant create a --queued-max 0', '--queued-max has to be a number from 1'],
    ['tenant create a --queued-max 1.5', 'whole number'],
    ['tenant create a --day-budget-usd -5', 'day-budget-usd'],
    ['tenant create a --day-budget-usd=1e9', '--day-budget-usd has to be a number'],
    ['tenant create a --weight 0', '--weight'],
    ['tenant create a --scopes read', '--scopes is not for this command'],
    ['tenant create a b', 'There is no such command'],
    ['tenant create a --nonsense', '--nonsense'],
    ['tenant set acme', 'Say what to change'],
    ['key create acme --scopes read,fly', '--scopes takes read, write, webhooks, admin'],
    ['key create acme --scopes ', 'scopes'],
    ['key create acme --expires-in 90', '--expires-in takes'],
    ['key create acme --expires-in 0d', '--expires-in takes'],
    ['key create acme --expires-in 99999d', '--expires-in takes'],
    ['key create acme --weight 2', '--weight is not for this command'],
    ['key revoke acme', 'key list'],
    ['keys list', 'There is no such command'],
  ])('%s: exit code 2', async (line, sentence) => {
    expect(await run(line)).toMatchObject({ code: 2, out: '', notes: expect.stringContaining(sentence) });
  });

  test.each([
    ['tenant show nobody', 'tenant create nobody'],
    ['tenant set nobody --weight 2', 'tenant create nobody'],
    ['key create nobody', 'tenant create nobody'],
    [`key revoke ${'x'.repeat(22)}`, 'key list'],
  ])('%s: exit code 1', async (line, sentence) => {
    expect(await run(line)).toMatchObject({ code: 1, out: '', notes: expect.stringContaining(sentence) });
  });

  test('where there is no database', async () => {
    const closed = 'postgres://spillway@127.0.0.1:1/spillway';
    expect(await run('tenant list', closed)).toMatchObject({
      code: 1,
      notes: expect.stringMatching(/^The database did not answer .* Check DATABASE_URL\.$/),
    });
  });

  test('where none is named', async () => {
    const notes: string[] = [];
    const settings = {
      databaseUrl: () => undefined,
      say: () => undefined,
      note: (line: string) => void notes.push(line),
    };
    expect(await admin(['tenant', 'list'], settings)).toBe(2);
    expect(notes.join()).toContain('DATABASE_URL is not set');
  });

  test('and help needs none', async () => {
    const said = await run('--help', 'nowhere');
    expect(said).toMatchObject({ code: 0, out: expect.stringContaining('tenant create ID') });
    expect((await run('', 'nowhere')).code).toBe(2);
  });
});
