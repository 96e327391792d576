import { Writable } from 'node:stream';
import express from 'express';
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, expect, test } from 'vitest';
import { createApiMetrics } from '../../src/api/metrics.ts';
import { beginLongLived } from '../../src/api/load/long-lived.ts';
import { accessLog } from '../../src/api/middleware/access-log.ts';
import { listen, type RunningServer } from '../../src/api/server.ts';
import { until } from '../support/until.ts';

let server: RunningServer | undefined;
afterEach(async () => {
  await server?.close(100);
  server = undefined;
});

async function openLogged(level: string) {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const registry = new Registry();
  const app = express();
  app.use(accessLog({ logger: pino({ level }, stream), metrics: createApiMetrics(registry) }));
  app.route('/v1/videos/:id').get((_request, response) => void response.json({}));
  app.route('/v1/videos/:id/events').get((_request, response) => {
    beginLongLived(response);
    response.end();
  });
  app.route('/broken').get((_request, response) => void response.sendStatus(500));
  server = await listen(app, { host: '127.0.0.1', port: 0 });
  const { url } = server;
  return { lines, registry, ask: async (path: string) => await (await fetch(`${url}${path}`)).text() };
}

const id = 'video_0199b1de-7c1c-7d6a-8b1a-0123456789ab';

test('a request is a line by its route, with the job, and nothing of its URL', async () => {
  const { lines, ask } = await openLogged('debug');
  await ask(`/v1/videos/${id}?token=canary`);
  const line = await until('it is logged', () => lines[0]);
  expect(JSON.parse(line)).toMatchObject({
    msg: 'request',
    route: '/v1/videos/:id',
    status: 200,
    job: id,
    method: 'GET',
  });
  expect(line).not.toContain('canary');
});

test('what went well is told at debug only, and what failed at info', async () => {
  const { lines, ask } = await openLogged('info');
  await ask(`/v1/videos/${id}`);
  await ask('/broken');
  const line = await until('the failure is logged', () => lines[0]);
  expect(JSON.parse(line)).toMatchObject({ route: '/broken', status: 500 });
});

test('whatever is asked for, there are no more series than routes', async () => {
  const { registry, ask } = await openLogged('silent');
  for (let asked = 0; asked < 20; asked += 1) await ask(`/v1/nothing-${asked}`);
  await ask(`/v1/videos/${id}`);
  await ask(`/v1/videos/${id}/events`);
  const text = await until('all are counted', async () => {
    const metrics = await registry.metrics();
    return metrics.includes('route="/v1/videos/:id"') && metrics;
  });
  const counts = text.split('\n').filter((line) => line.startsWith('spillway_api_request_seconds_count'));
  expect(counts).toEqual([
    'spillway_api_request_seconds_count{method="GET",route="none",status="404"} 20',
    'spillway_api_request_seconds_count{method="GET",route="/v1/videos/:id",status="200"} 1',
  ]);
});
