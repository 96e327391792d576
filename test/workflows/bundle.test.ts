import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows } from './bundle.ts';

/** Measured: 1.7 MB, nearly all of it `@temporalio/workflow` and its inline source map. */
const codeCharsMax = 2_000_000;

let code = '';
beforeAll(async () => {
  ({ code } = await bundleWorkflows());
}, 60_000);

test('the workflows can be bundled, within their budget', () => {
  expect(code).toContain('generateVideo');
  expect(code.length).toBeLessThan(codeCharsMax);
});

test('nothing that a workflow has no use for is in the bundle: every new workflow evaluates it all', () => {
  const modules = code.match(/node_modules\/(?:@[^/"'\\]+\/)?[^/"'\\]+/g) ?? [];
  const packages = new Set(modules.map((path) => path.slice('node_modules/'.length)));
  expect([...packages].filter((name) => ['zod', 'pg', 'pino', 'express', 'yaml', 'undici'].includes(name))).toEqual([]);
  expect(packages).toContain('@temporalio/workflow');
});
