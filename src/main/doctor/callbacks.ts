import type { Pool } from 'pg';
import { request } from 'undici';
import { z } from 'zod';
import type { Config } from '../../config.ts';
import { findUrlSecret } from '../../db/tenants/signing-keys.ts';
import { askEcho } from '../../operations/callback-echo.ts';
import { type Check, fail, type Finding, ok, warn } from './check.ts';

export interface CallbackDoctor {
  readonly config: Config;
  readonly pool: Pool;
}

const askMsMax = 10_000;
const answerSchema = z.object({ answer: z.string().max(100) });
const advice =
  'Let POSTs to /v1/callbacks/ through to this deployment, or correct PUBLIC_URL. Until then jobs are polled, which is later and costs requests.';

/** Whether what providers send to PUBLIC_URL comes to this deployment, as far as that can be told from here. */
export function callbackChecks(doctor: CallbackDoctor): readonly Check[] {
  return [{ name: 'callbacks', run: async () => await checkEcho(doctor), advice }];
}

async function checkEcho({ config, pool }: CallbackDoctor): Promise<Finding> {
  const { publicUrl } = config.api;
  if (publicUrl === undefined)
    return warn(
      'PUBLIC_URL is not set, so every job is polled.',
      'Set it to where providers reach this API, by https.',
    );
  const { question, answer } = askEcho(await findUrlSecret(pool), Date.now());
  const { status, text } = await post(`${publicUrl}/v1/callbacks/echo/${question}`);
  if (status !== 200) return fail(`${publicUrl} answers a callback with status ${status}.`, advice);
  const said = answerSchema.safeParse(parsed(text)).data?.answer;
  if (said !== answer) return fail(`${publicUrl} answers, but it is not this deployment.`, advice);
  if (config.isProduction && !publicUrl.startsWith('https:'))
    return warn(`Callbacks reach this deployment at ${publicUrl}, unencrypted.`, 'Serve it by https.');
  return ok(`Callbacks reach this deployment at ${publicUrl}, from this machine at least.`);
}

const answerBytesMax = 4 * 1024;

/** A redirect is not followed: vendors don't either. */
async function post(url: string): Promise<{ readonly status: number; readonly text: string }> {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(askMsMax),
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const read = Buffer.from(chunk);
    bytes += read.byteLength;
    if (bytes > answerBytesMax) break;
    chunks.push(read);
  }
  return { status: statusCode, text: Buffer.concat(chunks).toString('utf8') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
