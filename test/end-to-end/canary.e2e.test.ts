import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request as ask, type Server } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, expect, inject, test } from 'vitest';
import { z } from 'zod';
import { searchAttributeTypes } from '../../src/contracts/search-attributes.ts';
import { type RunningDevServer, startDevServer } from '../../src/embedded/temporal.ts';
import { flatPng } from '../support/pictures.ts';
import { findFreePorts } from '../support/processes.ts';
import { makeTestDirectory, killNow } from '../support/servers.ts';
import { useStack } from '../support/stack.ts';
import { until as untilSoon } from '../support/until.ts';

const canary = 'canary5c1d8';
const apiKey = `key-${canary}-of-the-operator`;
let directory: string;
let temporal: RunningDevServer;
let talkative: Server;
/** Everything at once, with all that a process logs: longer than other tests take. */
const patience = { withinMs: 120_000, everyMs: 100 };
const until: typeof untilSoon = async (what, probe) => await untilSoon(what, probe, patience);

/** A server of its own, so that every byte that it keeps is of these jobs. */
const stack = useStack(async () => {
  directory = await makeTestDirectory();
  const ports = await findFreePorts(['talkative']);
  temporal = await startDevServer({
    cliPath: inject('temporalCliPath'),
    databaseFile: join(directory, 'temporal', 'temporal.db'),
    searchAttributes: searchAttributeTypes,
    log: () => undefined,
  });
  process.once('exit', () => killNow(temporal.pid));
  talkative = startTalkativeVendor(ports.talkative);
  return {
    temporalAddress: temporal.address,
    env: {
      LOG_LEVEL: 'trace',
      SPILLWAY_API_KEY: apiKey,
      HOST: '127.0.0.1',
      WEBHOOK_ALLOW_PRIVATE: 'true',
      STUCK_AFTER_SECONDS: '1',
      SIMULATOR_URL: `http://127.0.0.1:${ports.talkative}`,
    },
  };
});
afterAll(async () => {
  talkative.close();
  await temporal.stop();
  await rm(directory, { recursive: true, force: true });
});

const failureSchema = z.object({
  message: z.string().optional(),
  data: z.object({ status: z.literal('failed') }).optional(),
});

/**
 * The simulator, but each refusal and each failure of WaveSpeed's quotes the prompt, as real vendors do. It passes the
 * host on, after which the simulator names its files.
 */
function startTalkativeVendor(port: number): Server {
  return createServer((request, response) => {
    const { method, url: path, headers } = request;
    const asked = ask({ host: '127.0.0.1', port: stack.env['SIMULATOR_PORT'], method, path, headers }, (answer) => {
      const { statusCode: status = 502, headers: told } = answer;
      if (!told['content-type']?.includes('json')) return void answer.pipe(response.writeHead(status, told));
      const { 'content-length': _length, 'transfer-encoding': _coding, ...others } = told;
      const reading = buffer(answer);
      reading
        .then((bytes) => response.writeHead(status, others).end(quotePrompt(status, bytes)))
        .catch(() => response.destroy());
    });
    asked.on('error', () => response.destroy());
    request.pipe(asked);
  }).listen(port, '127.0.0.1');
}

let quoted = 0;

function quotePrompt(status: number, bytes: Buffer): Buffer {
  const body: unknown = JSON.parse(bytes.toString('utf8'));
  const failed = failureSchema.safeParse(body).data;
  if (failed === undefined || (status < 400 && failed.data === undefined)) return bytes;
  quoted += 1;
  const words = `The prompt "${canary}" was refused.`;
  const data = failed.data === undefined ? {} : { data: { ...dataOf(body), error: words } };
  return Buffer.from(JSON.stringify({ ...(typeof body === 'object' ? body : {}), message: words, ...data }));
}

function dataOf(body: unknown): object {
  return typeof body === 'object' && body !== null && 'data' in body && typeof body.data === 'object'
    ? { ...body.data }
    : {};
}

const authorization = { authorization: `Bearer ${apiKey}` };
const acceptedSchema = z.object({ id: z.string(), client_token: z.string() });
const secrets: string[] = [canary];

/** A wish with the canary wherever a caller may put one. */
async function post(prompt: string, more: Record<string, unknown> = {}): Promise<string> {
  const wish = {
    model: 'wan-2.6',
    prompt: `${prompt} ${canary}`,
    negative_prompt: canary,
    user: `user-${canary}`,
    metadata: { note: canary },
    webhook_url: `http://127.0.0.1:1/${canary}?token=${canary}`,
    ...more,
  };
  return await accepted(
    await fetch(`${stack.url}/v1/videos`, {
      method: 'POST',
      headers: { ...authorization, 'content-type': 'application/json', 'idempotency-key': `${canary}-${randomUUID()}` },
      body: JSON.stringify(wish),
    }),
  );
}

async function postSelfie(): Promise<string> {
  const form = new FormData();
  form.set('prompt', `a portrait ${canary}`);
  form.set('model', 'wan-2.6');
  form.set('user', `user-${canary}`);
  form.set('input_reference', new Blob([new Uint8Array(flatPng(512))]), `${canary}.png`);
  return await accepted(await fetch(`${stack.url}/v1/videos`, { method: 'POST', headers: authorization, body: form }));
}

async function accepted(response: Response): Promise<string> {
  const text = await response.text();
  if (response.status !== 202) throw new Error(`answered ${response.status}: ${text}`);
  const { id, client_token: token } = acceptedSchema.parse(JSON.parse(text));
  secrets.push(token);
  stack.follow(id);
  return id;
}

async function endOf(id: string): Promise<{ readonly phase: string; readonly attempts: number }> {
  return await until(`the end of ${id}`, async () => {
    const { rows } = await stack.pool.query<{ phase: string; attempts: number }>(
      `SELECT phase, (SELECT count(*)::int FROM attempts WHERE job = id) AS attempts
       FROM jobs WHERE id = $1 AND finished_at IS NOT NULL`,
      [id],
    );
    return rows[0];
  });
}

async function operationOf(id: string): Promise<string> {
  return await until('the vendor works on it and we know', async () => {
    const { rows } = await stack.pool.query<{ operation: string | null }>(
      'SELECT operation FROM attempts WHERE job = $1',
      [id],
    );
    return rows[0]?.operation;
  });
}

/** What Temporal UI shows of a job: the details that it tells of itself, and its description. */
async function shownOf(id: string): Promise<string> {
  const handle = stack.temporal.workflow.getHandle(id);
  const [details, description] = [await handle.query('__temporal_workflow_metadata'), await handle.describe()];
  return JSON.stringify([details, description.raw, await handle.fetchHistory()], (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
  );
}

/** Every file of the server's directory: its database, what it has not yet written into it, and its log. */
async function bytesOfTemporal(): Promise<ReadonlyMap<string, Buffer>> {
  const folder = join(directory, 'temporal');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(file)] as const)));
}

/** As it is, and as base64 has it at each of the three places where it may begin. */
function formsOf(secret: string): readonly Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.from(`${'-'.repeat(shift)}${secret}`).toString('base64');
    return Buffer.from(text.slice(Math.ceil((shift * 4) / 3) + (shift > 0 ? 1 : 0), -4));
  });
  return [Buffer.from(secret), ...base64];
}

function leaksIn(bytes: Buffer): readonly string[] {
  return secrets.filter((secret) => formsOf(secret).some((form) => form.byteLength > 4 && bytes.includes(form)));
}

async function scrape(name: 'api' | 'worker'): Promise<string> {
  const ops = /"ops":"([^"]+)"/.exec(await stack.log(name))?.[1] ?? '';
  return await (await fetch(`${ops}/metrics`)).text();
}

test('nothing that a caller said and no secret is in Temporal, in a log or in a metric, whatever became of the job', async () => {
  const endpoint = await fetch(`${stack.url}/v1/webhook_endpoints`, {
    method: 'POST',
    headers: { ...authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ url: `http://127.0.0.1:1/hooks/${canary}`, description: canary }),
  });
  expect(endpoint.status).toBe(201);
  secrets.push(z.object({ secret: z.string() }).parse(await endpoint.json()).secret);

  const plain = await post('a paper boat');
  const portrait = await postSelfie();
  const refused = await post('[sim:submit-refused] a refusal', { fallback: 'none' });
  // Its callback is lost, so that it is the talkative answer to a poll that is read.
  const failed = await post('[sim:failed] [sim:callback-lost] a wreck', { fallback: 'none' });
  const moved = await post('[sim:failed@wan-2.6] [sim:callback-lost] a detour');
  const stuck = await post('[sim:stuck] an idle one', { fallback: 'none' });
  const cancelled = await post('[sim:stuck] never mind', { fallback: 'none' });

  const operations = [await operationOf(stuck), await operationOf(cancelled)];
  await fetch(`${stack.url}/v1/videos/${cancelled}/cancel`, { method: 'POST', headers: authorization });
  const shown = await until('the stuck one tells of itself', async () => {
    const text = await shownOf(stuck);
    return /attempt/i.test(text) && text.includes('StuckCause') && text;
  });
  expect(leaksIn(Buffer.from(shown))).toEqual([]);
  await stack.vendor.finish(operations[0] ?? '');
  await stack.vendor.finish(operations[1] ?? '');

  const ends = await Promise.all([plain, portrait, refused, failed, moved, stuck, cancelled].map(endOf));
  expect(ends.map(({ phase }) => phase)).toEqual([
    'completed',
    'completed',
    'failed',
    'failed',
    'completed',
    'completed',
    'cancelled',
  ]);
  expect(ends[4]?.attempts).toBeGreaterThan(1);
  expect(quoted).toBeGreaterThan(2);
  await until('a webhook has gone over to its workflow', async () => {
    const { count } = await stack.temporal.workflow.count(`WorkflowType = 'deliverWebhook'`);
    return count > 0;
  });

  const written: [string, Buffer][] = [...(await bytesOfTemporal())];
  const database = Buffer.concat(written.map(([, bytes]) => bytes));
  // The search finds what is there: ids are, and the leaks would be beside them.
  for (const id of [plain, failed, stuck]) expect(database.includes(id)).toBe(true);
  for (const name of ['api', 'worker'] as const) {
    const log = await stack.log(name);
    expect(log).toContain(plain);
    written.push([`log of ${name}`, Buffer.from(log)], [`metrics of ${name}`, Buffer.from(await scrape(name))]);
  }
  const leaks = written
    .map(([where, bytes]) => ({ where, leaks: leaksIn(bytes) }))
    .filter((found) => found.leaks.length > 0);
  expect(leaks).toEqual([]);
}, 400_000);

test('the search would find a leak in each of the forms that one might have', () => {
  const texts = [
    canary,
    `"${canary}"`,
    Buffer.from(`x${canary}`).toString('base64'),
    Buffer.from(`xy${canary}z`).toString('base64'),
    Buffer.from(`xyz${canary}`).toString('base64'),
  ];
  for (const text of texts) expect(leaksIn(Buffer.from(`before ${text} after`))).toEqual([canary]);
  expect(leaksIn(Buffer.from('nothing'))).toEqual([]);
});
