import { expect, vi } from 'vitest';
import { z } from 'zod';
import type { SimulatorOptions } from '../../../src/simulator/options.ts';
import { startSimulator } from '../setup.ts';

export const kling = 'fal-ai/kling-video/v2.6/pro/text-to-video';

/** The part of a submit's answer that the tests go on with. */
export const submissionSchema = z.object({
  request_id: z.uuid(),
  status_url: z.url(),
  response_url: z.url(),
  cancel_url: z.url(),
});
interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The simulator with the few calls that these tests make of fal. Requests end within milliseconds unless told not to. */
export async function startFal(overrides: Partial<SimulatorOptions> = {}) {
  const { origin, json } = await startSimulator(overrides);
  const ask = (method: string, url: string, { body, headers = {} }: Asked = {}) =>
    fetch(url.startsWith('http') ? url : `${origin}/fal${url}`, {
      method,
      headers: { authorization: 'Key key', ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  const submit = (prompt: string, webhook?: string, headers: Asked['headers'] = {}) =>
    ask('POST', `/${kling}${webhook ? `?fal_webhook=${encodeURIComponent(webhook)}` : ''}`, {
      body: { prompt },
      headers,
    });
  const create = async (prompt: string, webhook?: string, headers: Asked['headers'] = {}) =>
    submissionSchema.parse(await (await submit(prompt, webhook, headers)).json());
  const state = async (url: string): Promise<unknown> => (await ask('GET', url)).json();
  const completed = async (url: string) =>
    await vi.waitFor(async () => {
      const answer = await state(url);
      expect(answer).toMatchObject({ status: 'COMPLETED' });
      return answer;
    });
  const counts = (): Promise<unknown> => json('GET', '/control/counts');
  return { origin, json, ask, submit, create, state, completed, counts };
}
