import { createServer } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { listen } from '../../../src/api/server.ts';
import { readTemporalMetrics, reserveExporter, useExporter } from '../../../src/main/metrics/temporal-metrics.ts';

const closers: (() => unknown)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

test('without an SDK in this process there is nothing to tell', async () => {
  expect(await readTemporalMetrics()).toBe('');
});

test('what the SDK tells is passed on, without the end that it thinks it is', async () => {
  const server = await listen((_request, response) => void response.end('temporal_requests_total 3\n# EOF\n'), {
    host: '127.0.0.1',
    port: 0,
  });
  closers.push(() => server.close(0));
  useExporter(server.port);
  expect(await readTemporalMetrics()).toBe('temporal_requests_total 3\n');
});

test('a scrape goes without an exporter that is gone, and without one that does not answer', async () => {
  const { port, bindAddress } = await reserveExporter();
  expect(bindAddress).toBe(`127.0.0.1:${port}`);
  useExporter(port);
  expect(await readTemporalMetrics()).toBe('');
  const silent = createServer(() => undefined).listen(port, '127.0.0.1');
  closers.push(() => {
    silent.closeAllConnections();
    silent.close();
  });
  expect(await readTemporalMetrics()).toBe('');
});
