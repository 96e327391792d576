import { randomBytes } from 'node:crypto';
import { assert, asyncProperty, integer, string } from 'fast-check';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { createClientTokens, isClientToken } from '../../../src/api/auth/client-token.ts';

const tokens = createClientTokens(async () => Buffer.from('a secret of the test'));
const sign = await tokens.ready();
const job = (): string => `video_${uuidv7()}`;

test('a token says which job it is for and until when, and is the same for the same job', async () => {
  await assert(
    asyncProperty(integer({ min: 0, max: 4e12 }), async (acceptedAt) => {
      const id = job();
      const token = sign({ id, acceptedAt });
      expect(sign({ id, acceptedAt: Math.floor(acceptedAt / 1_000) * 1_000 + 999.5 })).toBe(token);
      expect(await tokens.read(token)).toEqual({ jobId: id, expires: Math.floor(acceptedAt / 1_000) + 86_400 });
    }),
  );
});

test('a token goes into a URL as it is', () => {
  const token = sign({ id: job(), acceptedAt: 1_700_000_000_000 });
  expect(encodeURIComponent(token)).toBe(token);
  expect(isClientToken(token)).toBe(true);
});

test('every character of a token counts', async () => {
  const token = sign({ id: job(), acceptedAt: 1_700_000_000_000 });
  for (let at = 0; at < token.length; at += 1) {
    const other = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
    expect(await tokens.read(other)).toBeUndefined();
  }
});

test('what another secret has signed is worth nothing', async () => {
  const others = createClientTokens(async () => randomBytes(32));
  const token = (await others.ready())({ id: job(), acceptedAt: 1_700_000_000_000 });
  expect(await tokens.read(token)).toBeUndefined();
});

test('whatever text comes, reading it does not throw and opens nothing', async () => {
  await assert(
    asyncProperty(string({ unit: 'binary', maxLength: 120 }), async (text) => {
      expect(await tokens.read(text)).toBeUndefined();
      expect(await tokens.read(`spw_job_${text}`)).toBeUndefined();
    }),
  );
  expect(await tokens.read(`spw_job_${'_'.repeat(72)}`)).toBeUndefined();
});

test('the secret is asked for until it is there, and then no more', async () => {
  let asked = 0;
  const patient = createClientTokens(async () => {
    asked += 1;
    if (asked === 1) throw new Error('away');
    return Buffer.from('there');
  });
  await expect(patient.ready()).rejects.toThrow('away');
  await patient.ready();
  await patient.ready();
  expect(asked).toBe(2);
});
