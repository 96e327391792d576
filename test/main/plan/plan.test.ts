import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plan } from '../../../src/main/plan/plan.ts';
import type { AccountPlan } from '../../../src/main/plan/accounts.ts';

async function planned(...argv: readonly string[]): Promise<readonly AccountPlan[]> {
  const said: string[] = [];
  expect(await plan([...argv, '--json'], (text) => said.push(text))).toBe(0);
  const parsed: { accounts: readonly AccountPlan[] } = JSON.parse(said.join(''));
  return parsed.accounts;
}

const byName = (accounts: readonly AccountPlan[]) => new Map(accounts.map((account) => [account.account, account]));

describe('a burst', () => {
  test('waits for what its account allows, at every level', async () => {
    const accounts = await planned('--burst', '300', '--tier', 'silver');
    expect(accounts.map(({ account, is_wished }) => [account, is_wished])).toEqual([
      ['bronze', false],
      ['silver', true],
      ['gold', false],
      ['ultra', false],
    ]);
    for (const { served, failed, cost_usd, refusals_429 } of accounts)
      expect({ served, failed, cost_usd, refusals_429 }).toEqual({
        served: 300,
        failed: 0,
        cost_usd: 150,
        refusals_429: 0,
      });
    const { bronze, silver, ultra } = Object.fromEntries(byName(accounts));
    // Three at once of a minute each; sixty starts a minute; nobody waits.
    expect(bronze?.drain_seconds).toBeGreaterThan(95 * 60);
    expect(silver?.wait_seconds.max).toBeGreaterThan(3.5 * 60);
    expect(silver?.wait_seconds.max).toBeLessThan(4.5 * 60);
    expect(silver?.utilisation).toBeGreaterThan(0.97);
    expect(ultra?.wait_seconds.p95).toBeLessThan(2);
  });

  test('has the same plan every time, and another one with another seed', async () => {
    const once = await planned('--burst', '100');
    expect(await planned('--burst', '100')).toEqual(once);
    expect(await planned('--burst', '100', '--seed', '2')).not.toEqual(once);
  });

  test('is refused where the account bears less than it says, and seldom once that is learned', async () => {
    const gold = byName(await planned('--burst', '3000', '--real-share', '0.2')).get('gold');
    expect(gold?.served).toBe(3_000);
    expect(gold?.refusals_429).toBeGreaterThan(0);
    expect((gold?.refusals_429 ?? 0) / (gold?.submits ?? 1)).toBeLessThan(0.02);
  });

  test('that waits longer than its queue deadline is ended', async () => {
    const bronze = byName(await planned('--burst', '100', '--queue-ttl', '600')).get('bronze');
    expect((bronze?.served ?? 0) + (bronze?.failed ?? 0)).toBe(100);
    expect(bronze?.failed).toBeGreaterThan(50);
    expect(bronze?.wait_seconds.max).toBeLessThanOrEqual(600);
  });
});

describe('arrivals from a file', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plan-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });
  const file = async (text: string): Promise<string> => {
    const path = join(directory, 'arrivals.csv');
    await writeFile(path, text);
    return path;
  };

  test('have their seconds, tenants and classes', async () => {
    const path = await file('second,count,tenant,priority\n0,5\n60,5,acme,high\n\n');
    const ultra = byName(await planned('--arrivals', path)).get('ultra');
    expect(ultra?.jobs).toBe(10);
    expect(ultra?.drain_seconds).toBeGreaterThan(60);
  });

  test.each([
    ['0,x', /Line 1 .*the count has to be a whole number/],
    ['-1,5', /Line 1 .*the second has to be/],
    ['0,1\n5,1,a,urgent', /Line 2 .*the priority has to be one of high, normal, low/],
    ['0,1,a,high,b', /nothing after them/],
    ['second,count\n', /hold no job/],
    ['0,999999999', /from 0 to 1000000/],
    ['0,1000000\n1,1', /Plan 1000000 at most/],
  ])('%j is refused, and the message says where', async (text, message) => {
    await expect(planned('--arrivals', await file(text))).rejects.toThrow(message);
  });

  test('have to be there', async () => {
    await expect(planned('--arrivals', join(directory, 'none.csv'))).rejects.toThrow(/cannot be read/);
  });
});

test.each([
  [['--tier', 'diamond'], /one of bronze, silver, gold, ultra/],
  [['--model', 'wan-9'], /There is no such model|wan-9/],
  [['--seconds', '7'], /Allowed: 5, 10, 15/],
  [['--burst', '0'], /--burst has to be a number from 1/],
  [['--burst', 'many'], /--burst has to be a number/],
  [['--burst', '1.5'], /whole number/],
  [['--real-share', '2'], /--real-share has to be a number from 0.01 to 1/],
  [['--burst', '5', '--arrivals', 'x.csv'], /not both/],
  [['--model', 'gen-4.5', '--tier', 'ultra'], /has no levels/],
  [['--wat'], /--wat/],
])('%j is refused in a sentence', async (argv, message) => {
  await expect(plan(argv, () => undefined)).rejects.toThrow(message);
});

test('--help says what there is, and a plan for people fits its columns', async () => {
  const said: string[] = [];
  expect(await plan(['--help'], (text) => said.push(text))).toBe(0);
  expect(said.join('')).toContain('--real-share');
  said.length = 0;
  await plan(['--burst', '20', '--tier', 'gold'], (text) => said.push(text));
  expect(said.join('')).toMatch(/^20 jobs of wan-2.6 at wavespeed\/wan-2.6\n\naccount /);
  expect(said.join('')).toMatch(/^gold \*/m);
});
