import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const canary = 'canary7f3e9';
const apiKey = `key-${canary}-of-the-operator`;
const stack = useStack(() => ({ env: { LOG_LEVEL: 'trace', SPILLWAY_API_KEY: apiKey, HOST: '127.0.0.1' } }));
const answerSchema = z.object({ id: z.string(), status: z.string(), client_token: z.string().default('') });
const authorized = { authorization: `Bearer ${apiKey}` };

interface Line {
  readonly msg?: string;
  readonly ops?: string;
  readonly [field: string]: unknown;
}

async function linesOf(name: 'api' | 'worker'): Promise<readonly Line[]> {
  const lines = (await stack.log(name)).split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line): Line => JSON.parse(line));
}

async function scrape(name: 'api' | 'worker'): Promise<string> {
  const ops = (await linesOf(name)).findLast((line) => line.ops !== undefined)?.ops ?? '';
  return await (await fetch(`${ops}/metrics`)).text();
}

/** A job from end to end, with everything in it that nobody may read later. */
async function runJob(prompt: string): Promise<string> {
  const headers = {
    ...authorized,
    'content-type': 'application/json',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  const body = JSON.stringify({
    prompt: `${prompt} ${canary}`,
    negative_prompt: canary,
    user: `user-${canary}`,
    metadata: { note: canary },
    fallback: 'none',
  });
  const accepted = await fetch(`${stack.url}/v1/videos`, { method: 'POST', headers, body });
  expect(accepted.status).toBe(202);
  const { id, client_token: token } = answerSchema.parse(await accepted.json());
  stack.follow(id);
  await until('the job is final', async () => {
    const answer = await fetch(`${stack.url}/v1/videos/${id}?token=${token}`);
    return ['completed', 'failed'].includes(answerSchema.parse(await answer.json()).status);
  });
  tokens.push(token);
  return id;
}

const tokens: string[] = [];

test('a job can be followed by its ids through every part, and nothing personal or secret with it', async () => {
  const good = await runJob('a paper boat');
  await runJob('[sim:fail] a wreck');
  // Refusals and faults have their own ways into a log.
  await fetch(`${stack.url}/v1/videos`, { method: 'POST', headers: { authorization: `Bearer wrong-${canary}` } });
  await fetch(`${stack.url}/v1/${canary}?token=${canary}`, { headers: authorized });
  await fetch(`${stack.url}/v1/videos/${good}?token=${canary}`);
  await fetch(`${stack.url}/v1/callbacks/${canary}/${good}.1/${canary}`, { method: 'POST', body: canary });
  await fetch(`${stack.url}/v1/videos`, {
    method: 'POST',
    headers: { ...authorized, 'content-type': 'application/json', 'idempotency-key': canary },
    body: `{"prompt": "${canary}", "size": "${canary}", "${canary}": `,
  });

  const api = await until('the refusals are logged', async () => {
    const lines = await linesOf('api');
    return lines.filter(({ msg, status }) => msg === 'request' && Number(status) >= 400).length >= 5 && lines;
  });
  const posted = api.find(({ msg, route, status }) => msg === 'request' && route === '/v1/videos' && status === 202);
  expect(posted).toMatchObject({
    part: 'api',
    tenant: 'default',
    job: good,
    method: 'POST',
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    trace: '4bf92f3577b34da6a3ce929d0e0e4736',
    ms: expect.any(Number),
  });
  const submitted = (await linesOf('worker')).find(({ msg, job }) => msg === 'submitted' && job === good);
  expect(submitted).toMatchObject({
    part: 'worker',
    attempt: 1,
    workflow: good,
    activity: 'submitAttempt',
    run: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });

  const written = {
    api: await stack.log('api'),
    worker: await stack.log('worker'),
    apiMetrics: await scrape('api'),
    workerMetrics: await scrape('worker'),
  };
  for (const [where, text] of Object.entries(written)) {
    expect(text.length).toBeGreaterThan(500);
    const found = [canary, ...tokens].filter((secret) => text.includes(secret));
    expect({ where, found }).toEqual({ where, found: [] });
  }
});

test('every metric of the document is told by a process, and Temporal’s beside ours', async () => {
  await runJob('another boat');
  const document = readFileSync(join(import.meta.dirname, '../../docs/observability.md'), 'utf8');
  const documented = [...document.matchAll(/^\| `(spillway_[a-z_]+)` \|/gm)].map(([, name]) => name ?? '');
  const [api, worker] = [await scrape('api'), await scrape('worker')];
  for (const name of documented) expect(`${api}${worker}`).toContain(`# TYPE ${name} `);
  expect(worker).toContain('temporal_worker_task_slots_available');
  expect(worker).toContain('temporal_workflow_task_schedule_to_start_latency_seconds');
  expect(api).not.toContain('temporal_worker_task_slots_available');
  expect(api).toMatch(/spillway_api_request_seconds_count\{[^}]*status="202"[^}]*\} [1-9]/);
  await until('the ends are counted', async () => {
    const text = await scrape('worker');
    return (
      /spillway_jobs_ended_total\{phase="completed"\} [1-9]/.test(text) &&
      /spillway_attempts_ended_total\{target="[^"]+",outcome="finished",evidence="callback"\} [1-9]/.test(text)
    );
  });
});
