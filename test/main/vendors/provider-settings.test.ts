import { describe, expect, test } from 'vitest';
import type { CatalogueProvider } from '../../../src/catalogue/schema.ts';
import { providerSettings } from '../../../src/main/vendors/provider-settings.ts';

const entry: CatalogueProvider = {
  kind: 'fal',
  base_url: 'https://queue.fal.example',
  other_urls: { rest: 'https://rest.fal.example', files: 'https://files.fal.example' },
  key_variable: 'FAL_KEY',
  webhook_secret_variable: 'FAL_SECRET',
  pools: {},
};
const real = { simulatorUrl: undefined };
const holding = (values: Readonly<Record<string, string>>) => ({ variable: (name: string) => values[name] });

describe('a provider is reached', () => {
  test('where the catalogue says, with what its variables hold', () => {
    expect(providerSettings(entry, real, holding({ FAL_KEY: 'key', FAL_SECRET: 'secret', OTHER: 'no' }))).toEqual({
      baseUrl: 'https://queue.fal.example',
      otherUrls: entry.other_urls,
      apiKey: 'key',
      webhookSecret: 'secret',
    });
  });

  test('not at all without its key, whatever else there is', () => {
    expect(providerSettings(entry, real, holding({ FAL_SECRET: 'secret' }))).toBeUndefined();
  });

  test('never over plain http but at the simulator', () => {
    expect(providerSettings(entry, real, holding({ FAL_KEY: 'key' }))).not.toHaveProperty('plainHttpAllowed');
  });

  test('at the simulator under its kind, its other places below that, and without its key', () => {
    const simulated = { simulatorUrl: 'http://127.0.0.1:8090/base' };
    expect(providerSettings(entry, simulated, holding({ FAL_KEY: 'a real key', FAL_SECRET: 'secret' }))).toEqual({
      baseUrl: 'http://127.0.0.1:8090/base/fal',
      otherUrls: {
        rest: 'http://127.0.0.1:8090/base/fal/rest',
        files: 'http://127.0.0.1:8090/base/fal/files',
      },
      apiKey: 'simulated',
      plainHttpAllowed: true,
      webhookSecret: 'secret',
    });
  });
});
