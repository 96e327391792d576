import http from 'node:http';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { SimulatorOptions } from '../../src/simulator/options.ts';
import { createSimulator } from '../../src/simulator/simulator.ts';
import type { SimulatedVendor } from '../../src/simulator/vendor.ts';

export const secret = 'whsec_dGVzdC1zZWNyZXQtZm9yLXVuaXQtdGVzdHMtb25seSE=';
export const wan = 'alibaba/wan-2.6/text-to-video';

/** The part of a submit's envelope that the tests go on with. */
export const createdSchema = z.object({ data: z.object({ id: z.string() }) });

export interface Received {
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** A running simulator, and the few calls the tests make of it. Predictions end within milliseconds unless told not to. */
export async function startSimulator(overrides: Partial<SimulatorOptions> = {}, vendors?: readonly SimulatedVendor[]) {
  const options = {
    seed: 1,
    apiKey: 'key',
    webhookSecret: secret,
    tier: 'gold',
    timeScale: 0.0001,
    ...overrides,
  } as const;
  const { origin, close } = await createSimulator(options, vendors).listen();
  onTestFinished(close);
  const callAs = (key: string) => (method: string, path: string, body?: unknown) =>
    fetch(origin + path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const call = callAs('key');
  const json = async (method: string, path: string, body?: unknown): Promise<unknown> =>
    (await call(method, path, body)).json();
  const submit = (prompt: string, webhook?: string, model = wan) =>
    call('POST', `/wavespeed/api/v3/${model}${webhook ? `?webhook=${encodeURIComponent(webhook)}` : ''}`, { prompt });
  const create = async (prompt: string, webhook?: string) => {
    const response = await submit(prompt, webhook);
    return createdSchema.parse(await response.json()).data.id;
  };
  return { origin, close, call, callAs, json, submit, create };
}

/** Takes callbacks, answers with the statuses given (then 200), and lets a test wait for the n-th. */
export async function startReceiver(...statuses: readonly number[]) {
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  const take = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const body = await text(request);
    received.push({ headers: request.headers, body });
    response.writeHead(statuses[received.length - 1] ?? 200).end();
    for (const wake of waiting) wake();
  };
  const server = http.createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const url = (attempt: string) => `http://127.0.0.1:${port}/v1/callbacks/wavespeed/${attempt}/token`;
  const wait = (count: number) =>
    new Promise<readonly Received[]>((resolve) => {
      const wake = () => {
        if (received.length >= count) resolve(received);
      };
      waiting.add(wake);
      wake();
    });
  return { url, wait, received };
}
