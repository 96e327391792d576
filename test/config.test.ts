import { describe, expect, test } from 'vitest';
import { ConfigError, readConfig, variables } from '../src/config.ts';
import { defaultWorkerTuning } from '../src/domain/worker-tuning.ts';

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
      spendCapUsd: undefined,
      cataloguePath: 'models.yaml',
      dataDirectory: '.spillway',
      s3: undefined,
      logLevel: 'info',
      submittingMax: 50,
      stuckAfterMs: 300_000,
      reconcileEveryMs: 60_000,
      simulatorUrl: undefined,
      isProduction: false,
    });
    expect(secrets.apiKey).toBeUndefined();
    expect(secrets.variable('WAVESPEED_API_KEY')).toBeUndefined();
  });

  test('is what empty variables mean too', () => {
    const empty = Object.fromEntries(Object.keys(variables).map((name) => [name, '']));
    expect(readConfig(empty).config).toEqual(readConfig({}).config);
    expect(readConfig({ FAL_KEY: '' }).secrets.variable('FAL_KEY')).toBeUndefined();
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
    expect(secrets.apiKey).toBe(key);
    expect(secrets.variable('WAVESPEED_API_KEY')).toBe('paying-key');
    expect(JSON.stringify(config)).not.toMatch(/sixteen|paying/);
  });

  test('a bucket is a place for pictures and videos, at AWS unless something else is said', () => {
    expect(readConfig({ S3_BUCKET: 'videos' }).config.s3).toEqual({
      bucket: 'videos',
      region: 'us-east-1',
      endpoint: undefined,
      publicEndpoint: undefined,
      prefix: '',
      pathStyle: false,
    });
    const other = {
      S3_BUCKET: 'videos',
      S3_ENDPOINT: 'http://minio:9000',
      S3_PREFIX: 'spillway/',
      S3_PATH_STYLE: 'true',
    };
    expect(readConfig(other).config.s3).toMatchObject({
      endpoint: 'http://minio:9000',
      publicEndpoint: 'http://minio:9000',
      prefix: 'spillway/',
      pathStyle: true,
    });
    expect(readConfig({ ...other, S3_PUBLIC_ENDPOINT: 'https://s3.example.com' }).config.s3?.publicEndpoint).toBe(
      'https://s3.example.com',
    );
    expect(readConfig({ S3_ENDPOINT: 'http://minio:9000' }).config.s3).toBeUndefined();
  });

  test('a simulator is somewhere, and that it is makes everything simulated', () => {
    expect(readConfig({ SIMULATOR_URL: 'http://127.0.0.1:8090/' }).config.simulatorUrl).toBe('http://127.0.0.1:8090');
  });

  test('without a static key the API may be public where tenants have keys of their own', () => {
    const { config } = readConfig({ REQUIRE_KEYS: 'true' });
    expect(config.api).toMatchObject({ host: '0.0.0.0', requireKeys: true });
    expect(readConfig({ REQUIRE_KEYS: 'true', HOST: '10.0.0.5' }).config.api.host).toBe('10.0.0.5');
  });

  test('pages of the listed origins may call, and of no other', () => {
    const { config } = readConfig({ CORS_ORIGINS: 'https://app.example.com, http://localhost:3000' });
    expect(config.api.corsOrigins).toEqual(['https://app.example.com', 'http://localhost:3000']);
    expect(readConfig({}).config.api.corsOrigins).toEqual([]);
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
      REQUIRE_KEYS: 'perhaps',
      CORS_ORIGINS: 'https://app.example.com, https://*.example.com/',
      S3_ENDPOINT: 'minio',
      S3_PUBLIC_ENDPOINT: 'minio',
      S3_PATH_STYLE: 'perhaps',
      SPEND_CAP_USD: '-1',
      LOG_LEVEL: 'loud',
      SUBMITTING_MAX: '0',
      STUCK_AFTER_SECONDS: '-5',
      RECONCILE_EVERY_SECONDS: 'often',
      SIMULATOR_URL: 'vendor',
      SIMULATOR_TIME_SCALE: '0',
    }).split('\n');
    expect(new Set(lines.map((line) => line.split(':')[0]))).toEqual(
      new Set([
        'CORS_ORIGINS',
        'LOG_LEVEL',
        'OPS_PORT',
        'PORT',
        'PUBLIC_URL',
        'RECONCILE_EVERY_SECONDS',
        'REQUIRE_KEYS',
        'S3_ENDPOINT',
        'S3_PATH_STYLE',
        'S3_PUBLIC_ENDPOINT',
        'SIMULATOR_TIME_SCALE',
        'SIMULATOR_URL',
        'SPEND_CAP_USD',
        'SPILLWAY_API_KEY',
        'STUCK_AFTER_SECONDS',
        'SUBMITTING_MAX',
        'TEMPORAL_UI_URL',
      ]),
    );
  });

  test.each(['localhost:8080', 'ftp://files.example.com', 'javascript:alert(1)'])('%s is no URL of ours', (url) => {
    for (const name of ['PUBLIC_URL', 'SIMULATOR_URL', 'S3_ENDPOINT', 'S3_PUBLIC_ENDPOINT', 'TEMPORAL_UI_URL'])
      expect(messageOf({ [name]: url })).toBe(`${name}: has to begin with http:// or https://`);
  });

  test.each([
    '*',
    'https://*.example.com',
    'https://app.example.com/',
    'app.example.com',
    'null',
    'https://a.example,',
  ])('%s is no origin', (origins) =>
    expect(messageOf({ CORS_ORIGINS: origins })).toMatch(/^CORS_ORIGINS: has to be origins/),
  );

  test('never shows a secret', () => {
    expect(messageOf({ SPILLWAY_API_KEY: 'tooshort' })).not.toContain('tooshort');
  });

  test.each([
    {
      why: 'a simulator in production',
      SIMULATOR_URL: 'http://127.0.0.1:8090',
      NODE_ENV: 'production',
      names: ['SIMULATOR_URL', 'NODE_ENV'],
    },
    { why: 'an open door without a key', HOST: '0.0.0.0', names: ['HOST', 'SPILLWAY_API_KEY'] },
  ])('$why is refused, with what to do', ({ why: _why, names, ...environment }) => {
    const message = messageOf(environment);
    for (const name of names) expect(message).toContain(name);
  });
});

describe('the keys that webhook secrets are sealed with', () => {
  const base64 = Buffer.alloc(32, 7).toString('base64');

  test('are read in their order, the current one first', () => {
    const { encryptionKeys } = readConfig({ ENCRYPTION_KEYS: `k2:${base64}, k1:${base64}` }).secrets;
    expect(encryptionKeys.map(({ id, key }) => [id, key.byteLength])).toEqual([
      ['k2', 32],
      ['k1', 32],
    ]);
    expect(readConfig({}).secrets.encryptionKeys).toEqual([]);
  });

  test.each(['k1', `k1:${base64.slice(4)}`, `:${base64}`, `k1:${base64},k1:${base64}`, `k1:${base64},`])(
    'are refused as %s, without a word of what they are',
    (keys) => {
      const message = messageOf({ ENCRYPTION_KEYS: keys });
      expect(message).toContain('ENCRYPTION_KEYS: has to be id:base64');
      expect(message).not.toContain(base64.slice(4, 20));
    },
  );

  test('webhooks to our own network are refused in production', () => {
    expect(messageOf({ WEBHOOK_ALLOW_PRIVATE: 'true', NODE_ENV: 'production' })).toContain(
      'WEBHOOK_ALLOW_PRIVATE is set',
    );
    expect(readConfig({ WEBHOOK_ALLOW_PRIVATE: 'true' }).config.webhookAllowPrivate).toBe(true);
  });
});

describe('what a worker does at once', () => {
  test('is what was measured, unless something else is said', () => {
    expect(readConfig({}).config.worker).toEqual(defaultWorkerTuning);
    const { worker } = readConfig({ WORKER_QUEUES: 'assets, checks', WORKER_ASSET_SLOTS: '7' }).config;
    expect(worker).toEqual({ ...defaultWorkerTuning, queues: ['checks', 'assets'], assetSlots: 7 });
  });

  test('an empty list of queues is as if it were not set', () => {
    expect(messageOf({ WORKER_QUEUES: '' })).toBe('accepted');
  });

  test.each(['everything', 'checks,', 'checks,checks', 'checks;assets'])('queues are not %j', (WORKER_QUEUES) => {
    expect(messageOf({ WORKER_QUEUES })).toContain(
      'WORKER_QUEUES: has to be some of workflows, checks, assets, webhooks',
    );
  });

  test('figures that contradict each other are refused together', () => {
    const message = messageOf({
      WORKER_WORKFLOW_SLOTS: '10',
      WORKER_WORKFLOW_POLLERS: '11',
      WORKER_CACHED_WORKFLOWS: '5',
    });
    expect(message.split('\n')).toHaveLength(2);
    for (const name of ['WORKER_WORKFLOW_POLLERS', 'WORKER_CACHED_WORKFLOWS']) expect(message).toContain(name);
    expect(messageOf({ WORKER_WORKFLOW_POLLERS: '1' })).toContain('WORKER_WORKFLOW_POLLERS');
  });
});

describe('where Temporal is', () => {
  test.each([{}, { TEMPORAL_NAMESPACE: 'other' }, { TEMPORAL_API_KEY: 'a-key' }])('%j does not say', (environment) => {
    expect(readConfig(environment).config.temporal.isConfigured).toBe(false);
  });

  test.each([{ TEMPORAL_ADDRESS: 'a:7233' }, { TEMPORAL_PROFILE: 'cloud' }, { TEMPORAL_CONFIG_FILE: 'temporal.toml' }])(
    '%j says so',
    (environment) => expect(readConfig(environment).config.temporal.isConfigured).toBe(true),
  );

  test('keys of payloads and of their codec are secrets', () => {
    const base64 = Buffer.alloc(32, 7).toString('base64');
    const codecKey = 'k'.repeat(32);
    const { config, secrets } = readConfig({ PAYLOAD_ENCRYPTION_KEYS: `k1:${base64}`, PAYLOAD_CODEC_KEY: codecKey });
    expect(secrets.payloadKeys.map(({ id }) => id)).toEqual(['k1']);
    expect(secrets.payloadCodecKey).toBe(codecKey);
    expect(JSON.stringify(config)).not.toContain(codecKey);
    expect(messageOf({ PAYLOAD_CODEC_KEY: 'short' })).toContain('PAYLOAD_CODEC_KEY');
    expect(messageOf({ PAYLOAD_CODEC_KEY: `${codecKey}/` })).toContain('PAYLOAD_CODEC_KEY');
  });
});
