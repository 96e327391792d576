import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, readConfig, secretVariables } from '../src/config.ts';
import { limits } from '../src/domain/limits/limits.ts';

const directory = mkdtempSync(join(tmpdir(), 'spillway-secrets-'));
afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const messageOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  return 'accepted';
};

const key = 'a-key-of-sixteen-characters';

describe('a secret in a file', () => {
  const encryptionKey = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
  const values: Readonly<Record<(typeof secretVariables)[number], string>> = {
    DATABASE_URL: 'postgres://spillway@db/spillway',
    DATABASE_DIRECT_URL: 'postgres://spillway@primary/spillway',
    SPILLWAY_API_KEY: key,
    ENCRYPTION_KEYS: encryptionKey,
    PAYLOAD_ENCRYPTION_KEYS: encryptionKey,
    PAYLOAD_CODEC_KEY: 'x'.repeat(40),
    TEMPORAL_API_KEY: 'temporal-key',
  };

  test.each(secretVariables)('%s_FILE means what the variable itself means', (name) => {
    const path = fileOf(name, `${values[name]}\n`);
    const { PATH = '' } = process.env;
    const ofFile = readConfig({ PATH, [`${name}_FILE`]: path });
    const ofValue = readConfig({ PATH, [name]: values[name] });
    expect(ofFile.config).toEqual(ofValue.config);
    expect(ofFile.secrets.apiKey).toEqual(ofValue.secrets.apiKey);
    expect(ofFile.secrets.encryptionKeys).toEqual(ofValue.secrets.encryptionKeys);
    expect(ofFile.secrets.temporalEnvironment[name]).toBe(values[name]);
  });

  test('of a provider is found by the name that the catalogue gives it', () => {
    const { variable } = readConfig({ WAVESPEED_API_KEY_FILE: fileOf('wavespeed', 'paying\r\n') }).secrets;
    expect(variable('WAVESPEED_API_KEY')).toBe('paying');
    expect(variable('FAL_KEY')).toBeUndefined();
  });

  test('loses one newline at its end, and nothing else', () => {
    const path = fileOf('padded', ' two\nlines \n\n');
    expect(readConfig({ FAL_KEY_FILE: path }).secrets.variable('FAL_KEY')).toBe(' two\nlines \n');
  });

  test('may be a link, as Kubernetes mounts them', () => {
    const link = join(directory, 'link');
    symlinkSync(fileOf('..data', key), link);
    expect(readConfig({ SPILLWAY_API_KEY_FILE: link }).secrets.apiKey).toBe(key);
  });

  test('an empty name of a file counts as none', () => {
    expect(readConfig({ SPILLWAY_API_KEY_FILE: '', SPILLWAY_API_KEY: key }).secrets.apiKey).toBe(key);
  });

  test('files that other programs mean are not ours to read', () => {
    expect(readConfig({ SSL_CERT_FILE: '/nowhere', AWS_SHARED_CREDENTIALS_FILE: '/nowhere' }).config).toEqual(
      readConfig({}).config,
    );
  });
});

describe('what can not be a secret', () => {
  const missing = join(directory, 'missing');
  const folder = join(directory, 'folder');
  mkdirSync(folder);

  test('is refused by name and path, all of them at once, and with what to do', () => {
    const message = messageOf(() =>
      readConfig({
        DATABASE_URL_FILE: missing,
        SPILLWAY_API_KEY_FILE: fileOf('empty', '\n'),
        ENCRYPTION_KEYS_FILE: folder,
        TEMPORAL_API_KEY_FILE: fileOf('huge', 'x'.repeat(limits.secretFileBytesMax + 1)),
      }),
    );
    expect(message.split('\n')).toEqual([
      `DATABASE_URL_FILE: ${missing} can't be read (ENOENT). Put the secret there, or set DATABASE_URL instead.`,
      `SPILLWAY_API_KEY_FILE: ${join(directory, 'empty')} is empty. Put the secret there, or set SPILLWAY_API_KEY instead.`,
      `ENCRYPTION_KEYS_FILE: ${folder} is not a file. Put the secret there, or set ENCRYPTION_KEYS instead.`,
      `TEMPORAL_API_KEY_FILE: ${join(directory, 'huge')} is larger than 65536 bytes. Put the secret there, or set TEMPORAL_API_KEY instead.`,
    ]);
  });

  test('both ways at once are refused, for ours and for a provider’s', () => {
    const path = fileOf('other', 'another-key-of-the-file');
    const ours = messageOf(() => readConfig({ SPILLWAY_API_KEY: key, SPILLWAY_API_KEY_FILE: path }));
    expect(ours).toBe('SPILLWAY_API_KEY and SPILLWAY_API_KEY_FILE are both set. Keep one of them.');
    const { variable } = readConfig({ FAL_KEY: 'one', FAL_KEY_FILE: path }).secrets;
    expect(messageOf(() => variable('FAL_KEY'))).toBe('FAL_KEY and FAL_KEY_FILE are both set. Keep one of them.');
  });

  test('is judged like the variable itself, and never shown', () => {
    const message = messageOf(() => readConfig({ SPILLWAY_API_KEY_FILE: fileOf('short', 'tooshort') }));
    expect(message).toMatch(/^SPILLWAY_API_KEY: /);
    expect(message).not.toContain('tooshort');
  });

  test.each(['two-newlines\n\n', 'wrapped\nkey', 'with blank', ' padded', 'Schlüssel'])(
    'is, where it is sent in a header, what no header can carry: %j',
    (content) => {
      const message = messageOf(() => readConfig({ TEMPORAL_API_KEY_FILE: fileOf('wrapped', content) }));
      expect(message).toMatch(/^TEMPORAL_API_KEY holds /);
      expect(message).not.toContain(content.trim());
      expect(messageOf(() => readConfig({ TEMPORAL_API_KEY: content }))).toBe(message);
    },
  );

  test('is what lies at a provider’s file, when it is asked for', () => {
    const { variable } = readConfig({ FAL_KEY_FILE: missing }).secrets;
    expect(messageOf(() => variable('FAL_KEY'))).toContain(`FAL_KEY_FILE: ${missing} can't be read (ENOENT)`);
  });
});

test('an empty key of Temporal’s is none: its own package would ask for TLS', () => {
  expect(readConfig({ TEMPORAL_API_KEY: '', TEMPORAL_ADDRESS: 'temporal:7233' }).secrets.temporalEnvironment).toEqual({
    TEMPORAL_ADDRESS: 'temporal:7233',
  });
});

test('docs/configuration.md names every secret that may be a file', () => {
  const page = readFileSync(join(import.meta.dirname, '../docs/configuration.md'), 'utf8');
  const [, section = ''] = page.split('## Secrets as files\n');
  const named = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `([A-Z_]+)` \| `\1_FILE` \|/gm)].map(
    ([, name]) => name,
  );
  expect(named).toEqual([...secretVariables]);
});
