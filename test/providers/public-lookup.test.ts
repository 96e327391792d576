import type { LookupAddress } from 'node:dns';
import { expect, test } from 'vitest';

import { createPublicLookup } from '../../src/providers/public-lookup.ts';

const found: readonly LookupAddress[] = [{ address: '192.0.2.1', family: 4 }];
const silent = (): Promise<never> => new Promise(() => undefined);

test('names whose servers are silent keep nobody else waiting', async () => {
  const lookup = createPublicLookup({ ask: (name) => (name.startsWith('silent') ? silent() : Promise.resolve(found)) });
  const hanging = Array.from({ length: 50 }, (_, index) => lookup(`silent${index}.example`).catch(() => 'gave up'));
  const first = await Promise.race([...hanging, lookup('healthy.example')]);
  expect(first).toEqual(found);
});

test('of more than may be asked for at once the others stand in line until a place is free', async () => {
  const asked: string[] = [];
  const lookup = createPublicLookup({
    atOnceMax: 2,
    waitMsMax: 200,
    ask: (name) => {
      asked.push(name);
      return name.startsWith('silent') ? silent() : Promise.resolve(found);
    },
  });
  const codeOf = ({ code }: { readonly code: string }): string => code;
  const hanging = ['silent1', 'silent2'].map((name) => lookup(name).catch(codeOf));
  const behind = lookup('healthy').catch(codeOf);
  expect(asked).toEqual(['silent1', 'silent2']);
  expect(await Promise.all(hanging)).toEqual(['ETIMEOUT', 'ETIMEOUT']);
  await behind;
  expect(await lookup('healthy')).toEqual(found);
});

test('a name that does not exist is an error that says so', async () => {
  const missing = Object.assign(new Error('queryA ENOTFOUND'), { code: 'ENOTFOUND' });
  const lookup = createPublicLookup({ ask: () => Promise.reject(missing) });
  await expect(lookup('missing.example')).rejects.toBe(missing);
});
