import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection, WorkflowNotFoundError } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { connectToTemporal, createTemporalClient, readTemporalSettings } from '../../src/main/temporal/connection.ts';
import { createAuthority } from '../support/certificates.ts';
import { makeTestDirectory } from '../support/servers.ts';
import { startTlsFrontend, type TlsFrontend } from '../support/tls-frontend.ts';

let directory: string;
let frontend: TlsFrontend;
let files: Record<'ca' | 'certificate' | 'key' | 'strangerCertificate' | 'strangerKey', string>;
const apiKey = 'a-key-of-temporal';

beforeAll(async () => {
  directory = await makeTestDirectory();
  await mkdir(directory, { recursive: true });
  frontend = await startTlsFrontend(inject('temporalAddress'));
  frontend.require(`Bearer ${apiKey}`);
  const client = frontend.authority.issue('spillway');
  const stranger = createAuthority('another authority').issue('stranger');
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text);
    return path;
  };
  files = {
    ca: await write('ca.pem', frontend.authority.certificate),
    certificate: await write('client.pem', client.certificate),
    key: await write('client.key', client.key),
    strangerCertificate: await write('stranger.pem', stranger.certificate),
    strangerKey: await write('stranger.key', stranger.key),
  };
});
afterAll(async () => {
  await frontend.close();
  await rm(directory, { recursive: true, force: true });
});

const fine = (): Record<string, string> => ({
  TEMPORAL_ADDRESS: frontend.address,
  TEMPORAL_API_KEY: apiKey,
  TEMPORAL_TLS_SERVER_CA_CERT_PATH: files.ca,
  TEMPORAL_TLS_CLIENT_CERT_PATH: files.certificate,
  TEMPORAL_TLS_CLIENT_KEY_PATH: files.key,
});

/** Asks the server its version by the connection of the API, and by that of a worker. */
async function askBoth(environment: Record<string, string>): Promise<readonly string[]> {
  const { connection: options } = readTemporalSettings(readConfig(environment));
  const connect = [
    () => Connection.connect({ ...options, connectTimeout: 5_000 }),
    () => NativeConnection.connect(options),
  ];
  return await Promise.all(
    connect.map(async (open) => {
      const connection = await open();
      try {
        return (await connection.workflowService.getSystemInfo({})).serverVersion ?? '';
      } finally {
        await connection.close();
      }
    }),
  );
}

describe('a frontend that asks for TLS, a certificate and a key', () => {
  test('is reached by variables, and the key arrives', async () => {
    const [ofClient = '', ofWorker = ''] = await askBoth(fine());
    expect(ofClient).toMatch(/^\d+\.\d+/);
    expect(ofWorker).toBe(ofClient);
    expect(frontend.authorizations).toContain(`Bearer ${apiKey}`);
  });

  test('is reached by a file of the key, as a secret comes in a container', async () => {
    const { TEMPORAL_API_KEY: _key, ...others } = fine();
    const path = join(directory, 'api-key');
    await writeFile(path, `${apiKey}\n`);
    expect(await askBoth({ ...others, TEMPORAL_API_KEY_FILE: path })).toHaveLength(2);
  });

  test('is reached by a profile of a file, without any address in the environment', async () => {
    const path = join(directory, 'temporal.toml');
    await writeFile(
      path,
      `[profile.cloud]
address = "${frontend.address}"
namespace = "videos.a1b2c"
api_key = "${apiKey}"
[profile.cloud.tls]
server_ca_cert_path = "${files.ca}"
client_cert_path = "${files.certificate}"
client_key_path = "${files.key}"
`,
    );
    const environment = { TEMPORAL_CONFIG_FILE: path, TEMPORAL_PROFILE: 'cloud' };
    expect(await askBoth(environment)).toHaveLength(2);
    expect(readTemporalSettings(readConfig(environment)).namespace).toBe('videos.a1b2c');
    expect(readTemporalSettings(readConfig({ ...environment, TEMPORAL_NAMESPACE: 'other' })).namespace).toBe('other');
  });

  test.each([
    ['without TLS', () => ({ TEMPORAL_ADDRESS: frontend.address })],
    ['without our authority', () => ({ ...fine(), TEMPORAL_TLS_SERVER_CA_CERT_PATH: '' })],
    [
      'without a certificate',
      () => ({ ...fine(), TEMPORAL_TLS_CLIENT_CERT_PATH: '', TEMPORAL_TLS_CLIENT_KEY_PATH: '' }),
    ],
    [
      'with a certificate of somebody else',
      () => ({
        ...fine(),
        TEMPORAL_TLS_CLIENT_CERT_PATH: files.strangerCertificate,
        TEMPORAL_TLS_CLIENT_KEY_PATH: files.strangerKey,
      }),
    ],
    ['with another key', () => ({ ...fine(), TEMPORAL_API_KEY: 'another-key' })],
  ])('is not reached %s', async (_how, environment) => {
    await expect(askBoth(environment())).rejects.toThrow(
      /connect|transport|wrong|refused|unauthenticated|deadline|certificate|tls|unavailable/i,
    );
  });

  test('serves a workflow client as well', async () => {
    const settings = readTemporalSettings(readConfig(fine()));
    const connection = await connectToTemporal(settings);
    const client = createTemporalClient(settings, connection);
    await expect(client.workflow.getHandle('nobody').describe()).rejects.toBeInstanceOf(WorkflowNotFoundError);
    await connection.close();
  });
});

describe('what names no server', () => {
  test.each([{}, { TEMPORAL_NAMESPACE: 'videos' }, { TEMPORAL_API_KEY: 'a-key' }])('is refused: %j', (environment) => {
    expect(() => readTemporalSettings(readConfig(environment))).toThrow(/TEMPORAL_ADDRESS is not set/);
  });

  test('or can’t be read is refused by the names of the variables', () => {
    const environment = { TEMPORAL_PROFILE: 'nobody', TEMPORAL_CONFIG_FILE: join(directory, 'missing.toml') };
    expect(() => readTemporalSettings(readConfig(environment))).toThrow(/TEMPORAL_(ADDRESS|PROFILE)/);
    const certificate = {
      TEMPORAL_ADDRESS: 'localhost:7233',
      TEMPORAL_TLS_CLIENT_CERT_PATH: join(directory, 'none.pem'),
    };
    expect(() => readTemporalSettings(readConfig(certificate))).toThrow(/TEMPORAL_TLS_\*/);
  });

  test('does not matter where a server is embedded, which knows neither TLS nor keys', () => {
    const settings = readTemporalSettings(readConfig(fine()), '127.0.0.1:1');
    expect(settings).toEqual({ connection: { address: '127.0.0.1:1' }, namespace: 'default' });
  });
});
