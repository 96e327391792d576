import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

test('every test that docs/scenarios.md names is there', () => {
  const named = [...readFileSync(join(root, 'docs/scenarios.md'), 'utf8').matchAll(/`([a-z-]+\/[\w*./-]+)`/g)];
  expect(named.length).toBeGreaterThan(30);
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const missing = named.flatMap(([, name = '']) => {
    const pattern = new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}(\\.sim)?(\\.test)?\\.ts$`);
    return files.some((file) => pattern.test(file)) ? [] : [name];
  });
  expect(missing).toEqual([]);
});
