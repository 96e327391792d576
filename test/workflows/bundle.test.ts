import { beforeAll, expect, test } from 'vitest';
import { bundleWorkflows } from './bundle.ts';

/** Measured: 0.72 MB, of which 0.20 MB are ours. Every new workflow evaluates it; the source map behind it is twice as long, and only read when something fails. */
const codeCharsMax = 800_000;

let code = '';
beforeAll(async () => {
  const bundle = await bundleWorkflows();
  code = bundle.code.slice(0, bundle.code.lastIndexOf('//# sourceMappingURL'));
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
