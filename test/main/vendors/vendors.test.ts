import { describe, expect, test } from 'vitest';
import { parseCatalogue } from '../../../src/catalogue/load.ts';
import type { Catalogue } from '../../../src/catalogue/schema.ts';
import { ConfigError, readConfig } from '../../../src/config.ts';
import { buildVendors, type Vendors } from '../../../src/main/vendors/vendors.ts';
import { isProviderKind } from '../../../src/providers/registry.ts';

/** A provider of every way to prove callbacks, with as few models as there may be. */
const catalogue: Catalogue = parseCatalogue(
  `providers:
  wavespeed:
    kind: wavespeed
    base_url: https://api.wavespeed.example
    key_variable: WAVESPEED_API_KEY
    webhook_secret_variable: WAVESPEED_WEBHOOK_SECRET
    level_variable: WAVESPEED_TIER
    pools:
      slow: { preset: bronze }
      fixed: { outstanding: 7, per_minute: 70 }
  fal:
    kind: fal
    base_url: https://queue.fal.example
    other_urls: { rest: https://rest.fal.example }
    key_variable: FAL_KEY
    pools: { fal: { outstanding: 2, per_minute: 60 } }
  forgetful:
    kind: replicate
    base_url: https://api.replicate.example
    key_variable: REPLICATE_API_TOKEN
    pools: { replicate: { outstanding: 9, per_minute: 600 } }
  runway:
    kind: runway
    base_url: https://api.runway.example
    key_variable: RUNWAYML_API_SECRET
    pools: { runway: { outstanding: 1, per_minute: 5 } }
models: {}
targets: {}
`,
  { path: 'test.yaml', isProviderKind },
);

function build(environment: NodeJS.ProcessEnv): Vendors {
  const { config, secrets } = readConfig(environment);
  return buildVendors(catalogue, config, secrets);
}

function refusal(environment: NodeJS.ProcessEnv): string {
  try {
    build(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

const keys = { WAVESPEED_API_KEY: 'key', FAL_KEY: 'key', REPLICATE_API_TOKEN: 'key', RUNWAYML_API_SECRET: 'key' };
const PUBLIC_URL = 'https://spillway.example.com';

describe('keys', () => {
  test('that no header can carry are refused by name, and not shown', () => {
    const message = refusal({ ...keys, FAL_KEY: 'canary\nwrapped', RUNWAYML_API_SECRET: 'canary ' });
    expect(message.split('\n')).toEqual([
      expect.stringMatching(/^FAL_KEY holds /),
      expect.stringMatching(/^RUNWAYML_API_SECRET holds /),
    ]);
    expect(message).not.toContain('canary');
  });

  test('make their providers, and say once of each other one that it is left out', () => {
    const environment = { FAL_KEY: 'key', RUNWAYML_API_SECRET: 'key', PUBLIC_URL };
    const { providers, remoteFiles, traits, pools, notices } = build(environment);
    expect([...providers].map(([name, { name: kind }]) => [name, kind])).toEqual([
      ['fal', 'fal'],
      ['runway', 'runway'],
    ]);
    expect([...remoteFiles.keys()]).toEqual(['fal', 'runway']);
    expect([...traits.keys()]).toEqual(['fal', 'runway']);
    expect(pools.map(({ provider }) => provider)).toEqual(['fal', 'runway']);
    expect(notices).toEqual([
      'wavespeed: WAVESPEED_API_KEY is not set, its targets are left out',
      'forgetful: REPLICATE_API_TOKEN is not set, its targets are left out',
    ]);
  });

  test('of all providers leave nobody out, and a provider is known by the catalogue`s name', () => {
    const { providers, notices } = build({ ...keys, PUBLIC_URL, WAVESPEED_WEBHOOK_SECRET: 'whsec_x' });
    expect(notices.filter((notice) => notice.includes('left out'))).toEqual([]);
    expect(providers.get('forgetful')?.name).toBe('replicate');
  });

  test('of nobody are refused, with every variable that would do and the demo that needs none', () => {
    expect(refusal({ PUBLIC_URL })).toBe(
      'None of WAVESPEED_API_KEY, FAL_KEY, REPLICATE_API_TOKEN, RUNWAYML_API_SECRET is set: set the key of a provider to use it, or try `npm run demo`, which needs none.',
    );
    expect(refusal({ FAL_KEY: '' })).toContain('None of');
  });
});

describe('callbacks', () => {
  test('are registered where PUBLIC_URL says where to, and where the vendor has any', () => {
    const calling = (environment: NodeJS.ProcessEnv) =>
      [...build({ ...keys, ...environment }).traits].flatMap(([name, { callbacks }]) => (callbacks ? [name] : []));
    expect(calling({ PUBLIC_URL })).toEqual(['wavespeed', 'fal', 'forgetful']);
    expect(calling({})).toEqual([]);
  });

  test('that nobody can verify are refused in production, with the variable and the way out', () => {
    expect(refusal({ WAVESPEED_API_KEY: 'key', PUBLIC_URL, NODE_ENV: 'production' })).toBe(
      'WAVESPEED_WEBHOOK_SECRET is not set, so callbacks of wavespeed could be forged: set it, or leave PUBLIC_URL out and have its jobs polled.',
    );
    expect(refusal({ REPLICATE_API_TOKEN: 'key', PUBLIC_URL, NODE_ENV: 'production' })).toContain(
      'webhook_secret_variable of forgetful in the catalogue is not set',
    );
  });

  test('of two providers are refused in a line each', () => {
    expect(refusal({ ...keys, PUBLIC_URL, NODE_ENV: 'production' }).split('\n')).toHaveLength(2);
  });

  test.each([
    {
      why: 'with the secret',
      environment: { WAVESPEED_API_KEY: 'key', WAVESPEED_WEBHOOK_SECRET: 'whsec_x', PUBLIC_URL },
    },
    { why: 'without PUBLIC_URL', environment: { WAVESPEED_API_KEY: 'key' } },
    { why: 'of a vendor that publishes its keys', environment: { FAL_KEY: 'key', PUBLIC_URL } },
    { why: 'of a vendor that has none', environment: { RUNWAYML_API_SECRET: 'key', PUBLIC_URL } },
  ])('are accepted in production $why', ({ environment }) => {
    expect(refusal({ ...environment, NODE_ENV: 'production' })).toBe('accepted');
  });

  test('may be unproven anywhere else: each then only causes a check, which is said', () => {
    expect(build({ ...keys, PUBLIC_URL, WAVESPEED_WEBHOOK_SECRET: 'whsec_x' }).notices).toEqual([
      'forgetful: webhook_secret_variable of forgetful in the catalogue is not set, so each of its callbacks only causes a poll',
    ]);
  });

  test('are none without PUBLIC_URL, which is said', () => {
    expect(build(keys).notices).toEqual(['PUBLIC_URL is not set: no callbacks, every job is polled']);
  });

  test.each(['test', 'production'])('are proven by no empty secret, in %s', (NODE_ENV) => {
    const environment = { WAVESPEED_API_KEY: 'key', WAVESPEED_WEBHOOK_SECRET: 'whsec_', PUBLIC_URL, NODE_ENV };
    expect(refusal(environment)).toBe('WAVESPEED_WEBHOOK_SECRET is a prefix without a secret: copy all of it.');
  });

  test('over plain http are refused: a vendor that does not take the URL does not take the order', () => {
    expect(refusal({ FAL_KEY: 'key', PUBLIC_URL: 'http://spillway.example.com' })).toBe(
      'PUBLIC_URL is http://spillway.example.com: vendors call back over https only. Use https, or leave it out to have jobs polled.',
    );
  });
});

describe('pools', () => {
  const poolsOf = (environment: NodeJS.ProcessEnv) =>
    build({ WAVESPEED_API_KEY: 'key', ...environment }).pools.map(({ id, outstandingMax, perMinuteMax }) => ({
      id,
      outstandingMax,
      perMinuteMax,
    }));

  test('have their preset, or the level that the deployment names; figures stay', () => {
    const fixed = { id: 'fixed', outstandingMax: 7, perMinuteMax: 70 };
    expect(poolsOf({})).toEqual([{ id: 'slow', outstandingMax: 3, perMinuteMax: 5 }, fixed]);
    expect(poolsOf({ WAVESPEED_TIER: 'gold' })).toEqual([
      { id: 'slow', outstandingMax: 2_000, perMinuteMax: 600 },
      fixed,
    ]);
  });

  test.each(['platinum', 'toString', 'Gold'])('of the level %j are refused, with those that there are', (level) => {
    expect(refusal({ WAVESPEED_API_KEY: 'key', WAVESPEED_TIER: level })).toBe(
      `WAVESPEED_TIER is "${level}": it has to be one of bronze, silver, gold, ultra.`,
    );
  });

  test('of a provider without a key are nobody`s affair', () => {
    expect(refusal({ FAL_KEY: 'key', WAVESPEED_TIER: 'platinum' })).toBe('accepted');
  });
});

describe('the simulator', () => {
  const simulated = { SIMULATOR_URL: 'http://127.0.0.1:8090', SIMULATOR_TIER: 'ultra' };

  test('plays every provider, with a key or without, at the level that it plays', () => {
    const { providers, notices, pools } = build({ ...simulated, WAVESPEED_TIER: 'bronze' });
    expect([...providers.keys()]).toEqual(['wavespeed', 'fal', 'forgetful', 'runway']);
    expect(notices.filter((notice) => notice.includes('left out'))).toEqual([]);
    expect(pools[0]).toMatchObject({ id: 'slow', outstandingMax: 5_000 });
  });

  test('calls back over plain http, as it does on one machine', () => {
    expect(refusal({ ...simulated, PUBLIC_URL: 'http://127.0.0.1:8080' })).toBe('accepted');
  });
});
