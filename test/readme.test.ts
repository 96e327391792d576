import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalogue } from '../src/catalogue/load.ts';
import type { CatalogueProvider } from '../src/catalogue/schema.ts';
import { variables } from '../src/config.ts';
import { adapterOf, isProviderKind } from '../src/providers/registry.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const { providers } = await loadCatalogue(join(root, 'models.yaml'), isProviderKind);

/** The rows of the first table under a heading of the page on configuration. */
function rowsUnder(heading: string): readonly string[] {
  const [, section = ''] = read('docs/configuration.md').split(`${heading}\n`);
  return (section.split('\n#')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
}

function defaultOf(schema: { safeParse: (value: undefined) => { success: boolean; data?: unknown } }): string {
  const { data } = schema.safeParse(undefined);
  if (data === undefined || data === '') return '';
  return `\`${typeof data === 'string' ? data : JSON.stringify(data)}\``;
}

test('the table of variables is what config.ts reads: names, defaults and reasons', () => {
  const expected = Object.entries(variables).map(
    ([name, schema]) => `| \`${name}\` | ${defaultOf(schema)} | ${schema.description ?? ''} |`,
  );
  expect(rowsUnder('## Variables')).toEqual(expected);
});

/** What proves a provider's callbacks. */
function proofOf({ kind, webhook_secret_variable }: CatalogueProvider): string {
  const { callbacks } = adapterOf(kind);
  if (callbacks === 'none') return 'none, it is polled';
  return callbacks === 'published_key' ? 'keys that it publishes' : `\`${webhook_secret_variable}\``;
}

test('the table of provider keys is what models.yaml names, and what each adapter verifies with', () => {
  const expected = Object.entries(providers).map(([name, provider]) => {
    const level = provider.level_variable === undefined ? '' : `\`${provider.level_variable}\``;
    return `| \`${name}\` | \`${provider.key_variable}\` | ${proofOf(provider)} | ${level} |`;
  });
  expect(rowsUnder('## Provider keys')).toEqual(expected);
});

test('.env.example names every variable, of ours and of the providers, once', () => {
  const ofProviders = Object.values(providers).flatMap((provider) =>
    [provider.key_variable, provider.webhook_secret_variable, provider.level_variable].filter(
      (name) => name !== undefined,
    ),
  );
  const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name ?? '');
  expect(named.toSorted()).toEqual([...Object.keys(variables), ...ofProviders].toSorted());
});

test('README stays short enough to be read', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200);
});

test('every room of the source is in README’s map', () => {
  const mapped = [...read('README.md').matchAll(/^\| `src\/([a-z]+)\/` /gm)].map(([, room]) => room);
  const rooms = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  expect(new Set(mapped)).toEqual(new Set(rooms.map(({ name }) => name)));
});
