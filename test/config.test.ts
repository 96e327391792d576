import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig, variables } from '../src/config.ts';

const messageOf = (environment: NodeJS.ProcessEnv): string => {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  return 'accepted';
};

describe('an empty environment', () => {
  test('is a configuration that binds to loopback, caps nothing and simulates nothing', () => {
    const { config, secrets } = readConfig({});
    expect(config).toMatchObject({
      databaseUrl: undefined,
      api: { host: '127.0.0.1', port: 8080, opsPort: 9090, publicUrl: undefined },
      wavespeed: { tier: undefined, baseUrl: undefined },
      spendCapUsd: undefined,
      cataloguePath: 'models.yaml',
      dataDirectory: '.spillway',
      logLevel: 'info',
      submittingMax: 50,
      stuckAfterMs: 300_000,
      reconcileEveryMs: 60_000,
      simulated: false,
      isProduction: false,
    });
    expect(secrets).toEqual({ apiKey: undefined, wavespeedApiKey: undefined, wavespeedWebhookSecret: undefined });
  });

  test('is what empty variables mean too', () => {
    const empty = Object.fromEntries(Object.keys(variables).map((name) => [name, '']));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });
});

describe('what is given', () => {
  test('is taken, in the units of the inside', () => {
    const { config } = readConfig({
      PORT: '1234',
      SPEND_CAP_USD: '12.5',
      STUCK_AFTER_SECONDS: '1.5',
      RECONCILE_EVERY_SECONDS: '2',
      PUBLIC_URL: 'https://videos.example.com/base//',
      DATA_DIRECTORY: 'data',
      PATH: '/usr/bin',
    });
    expect(config).toMatchObject({
      api: { port: 1234, publicUrl: 'https://videos.example.com/base' },
      spendCapUsd: 12.5,
      stuckAfterMs: 1_500,
      reconcileEveryMs: 2_000,
      searchPath: '/usr/bin',
    });
    expect(config.cacheDirectory).toBe('data/cache');
  });

  test('a cap of nothing is a cap', () => {
    expect(readConfig({ SPEND_CAP_USD: '0' }).config.spendCapUsd).toBe(0);
  });

  test('a key opens the server to the network, and is in no config that could be logged', () => {
    const key = 'a-key-of-sixteen-characters';
    const { config, secrets } = readConfig({ SPILLWAY_API_KEY: key, WAVESPEED_API_KEY: 'paying-key' });
    expect(config.api.host).toBe('0.0.0.0');
    expect(secrets).toMatchObject({ apiKey: key, wavespeedApiKey: 'paying-key' });
    expect(JSON.stringify(config)).not.toMatch(/sixteen|paying/);
  });

  test.each(['127.0.0.1', '::1', 'localhost'])('%s needs no key', (HOST) => {
    expect(readConfig({ HOST }).config.api.host).toBe(HOST);
  });
});

describe('what is wrong', () => {
  test('is named, every variable of it, a line each', () => {
    const lines = messageOf({
      PORT: 'eighty',
      OPS_PORT: '65536',
      TEMPORAL_UI_URL: 'nowhere',
      PUBLIC_URL: 'nowhere',
      SPILLWAY_API_KEY: 'short',
      WAVESPEED_TIER: 'platinum',
      WAVESPEED_BASE_URL: 'vendor',
      SPEND_CAP_USD: '-1',
      LOG_LEVEL: 'loud',
      SUBMITTING_MAX: '0',
      STUCK_AFTER_SECONDS: '-5',
      RECONCILE_EVERY_SECONDS: 'often',
      SIMULATED: 'perhaps',
      SIMULATOR_TIME_SCALE: '0',
    }).split('\n');
    expect(new Set(lines.map((line) => line.split(':')[0]))).toEqual(
      new Set([
        'LOG_LEVEL',
        'OPS_PORT',
        'PORT',
        'PUBLIC_URL',
        'RECONCILE_EVERY_SECONDS',
        'SIMULATED',
        'SIMULATOR_TIME_SCALE',
        'SPEND_CAP_USD',
        'SPILLWAY_API_KEY',
        'STUCK_AFTER_SECONDS',
        'SUBMITTING_MAX',
        'TEMPORAL_UI_URL',
        'WAVESPEED_BASE_URL',
        'WAVESPEED_TIER',
      ]),
    );
  });

  test('never shows a secret', () => {
    expect(messageOf({ SPILLWAY_API_KEY: 'tooshort' })).not.toContain('tooshort');
  });

  test.each([
    { why: 'a simulator in production', SIMULATED: 'true', NODE_ENV: 'production', names: ['SIMULATED', 'NODE_ENV'] },
    { why: 'a simulator that is nowhere', SIMULATED: 'true', names: ['SIMULATED', 'WAVESPEED_BASE_URL'] },
    { why: 'an open door without a key', HOST: '0.0.0.0', names: ['HOST', 'SPILLWAY_API_KEY'] },
  ])('$why is refused, with what to do', ({ why: _why, names, ...environment }) => {
    const message = messageOf(environment);
    for (const name of names) expect(message).toContain(name);
  });

  test('a simulator that is somewhere is no contradiction', () => {
    expect(readConfig({ SIMULATED: 'yes', WAVESPEED_BASE_URL: 'http://127.0.0.1:8090' }).config.simulated).toBe(true);
  });
});
