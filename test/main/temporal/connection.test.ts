import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../../src/config.ts';
import { readTemporalSettings, type TemporalSettings } from '../../../src/main/temporal/connection.ts';
import { createAuthority } from '../../support/certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-temporal-'));
afterAll(() => rmSync(directory, { recursive: true }));

const read = (environment: Readonly<Record<string, string>>): TemporalSettings =>
  readTemporalSettings(readConfig(environment));

function refusal(environment: Readonly<Record<string, string>>): string {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

const TEMPORAL_ADDRESS = 'temporal:7233';

describe('a file in the home directory', () => {
  const cloud = '[profile.default]\naddress = "a:1"\nnamespace = "cloud.ns"\napi_key = "CLOUDKEY"\n';
  for (const path of ['.config/temporalio', 'Library/Application Support/temporalio']) {
    mkdirSync(join(directory, path), { recursive: true });
    writeFileSync(join(directory, path, 'temporal.toml'), cloud);
  }
  const home = { HOME: directory, APPDATA: join(directory, '.config') };

  test('says nothing about a server that is configured by variables: its key would go there', () => {
    const { connection, namespace } = read({ ...home, TEMPORAL_ADDRESS });
    expect({ namespace, apiKey: connection.apiKey, tls: connection.tls }).toEqual({ namespace: 'default' });
  });

  test('is read where one of its profiles is asked for', () => {
    const { connection, namespace } = read({ ...home, TEMPORAL_PROFILE: 'default' });
    expect({ namespace, apiKey: connection.apiKey }).toEqual({ namespace: 'cloud.ns', apiKey: 'CLOUDKEY' });
  });
});

describe('an address', () => {
  test.each(['temporal', 'temporal:7233', '10.0.0.7:7233', '[::1]:7233', 'videos.a1b2c.tmprl.cloud:7233'])(
    '%s is one',
    (address) => expect(read({ TEMPORAL_ADDRESS: address }).connection.address).toBe(address),
  );

  test.each(['http://temporal:7233', 'temporal:7233/', 'temporal:frontend', 'temporal:70000', '::1', 'a b:1'])(
    '%s is none, and is refused by the name of the variable',
    (address) => expect(refusal({ TEMPORAL_ADDRESS: address })).toContain(`TEMPORAL_ADDRESS is ${address}: `),
  );
});

describe('certificates', () => {
  const own = createAuthority('an authority').issue('spillway');
  const other = createAuthority('another authority').issue('spillway');
  const fine = {
    TEMPORAL_ADDRESS,
    TEMPORAL_TLS_SERVER_CA_CERT_DATA: own.certificate,
    TEMPORAL_TLS_CLIENT_CERT_DATA: own.certificate,
    TEMPORAL_TLS_CLIENT_KEY_DATA: own.key,
  };

  test('are taken as they are', () => expect(refusal(fine)).toBe('accepted'));

  test.each([
    ['TEMPORAL_TLS_SERVER_CA_CERT', 'no-canary'],
    ['TEMPORAL_TLS_CLIENT_CERT', 'no-canary'],
    ['TEMPORAL_TLS_CLIENT_CERT', own.certificate.replace(/.{40}\n/, '\n')],
    ['TEMPORAL_TLS_CLIENT_KEY', 'no-canary'],
    ['TEMPORAL_TLS_CLIENT_KEY', other.key],
  ])('that are none are refused by the name of the variable: %s', (name, pem) => {
    const message = refusal({ ...fine, [`${name}_DATA`]: pem });
    expect(message).toMatch(new RegExp(`^${name}_PATH or _DATA: `));
    expect(message).not.toMatch(/canary|PEM routines|DECODER/);
  });
});

describe('what no header can carry is refused and not shown, wherever it was written', () => {
  const key = 'ey-canary\nwrapped';

  test('in a variable', () => {
    expect(refusal({ TEMPORAL_ADDRESS, TEMPORAL_API_KEY: key })).toMatch(/^TEMPORAL_API_KEY holds (?!.*canary)/s);
    expect(refusal({ TEMPORAL_ADDRESS, TEMPORAL_GRPC_META_TOKEN: key })).toMatch(
      /^TEMPORAL_GRPC_META_token holds (?!.*canary)/s,
    );
  });

  test('in a profile', () => {
    const path = join(directory, 'wrapped.toml');
    writeFileSync(path, `[profile.default]\naddress = "a:1"\napi_key = """${key}"""\n`);
    expect(refusal({ TEMPORAL_CONFIG_FILE: path })).toMatch(/^TEMPORAL_API_KEY holds (?!.*canary)/s);
  });
});
