import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';

/** Offers requests at a fixed rate, whatever becomes of them: a process of its own, driven by one message. */

export interface LoadPlan {
  readonly origin: string;
  readonly apiKey: string;
  readonly ratePerSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** The tenant's end users, who take turns. Absent: a request names nobody. */
  readonly users?: number;
  /** A picture to send along, as multipart. */
  readonly selfie?: string;
  /** Where the ids go that were answered with 202, a line each. */
  readonly idsFile: string;
  /** A file of ids of videos to read in turn, instead of making any. */
  readonly readIdsFile?: string;
}

/** The warm-up is over: what is counted begins. */
export interface CountingBegins {
  readonly kind: 'counting';
}

export interface LoadReport {
  readonly kind: 'report';
  /** Milliseconds from the moment at which a request was due to the end of its answer, in the order in which they were
   * due; the warm-up's are left out. */
  readonly latenciesMs: readonly number[];
  readonly requests: number;
  readonly accepted: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Requests a second that were answered while it was counted. */
  readonly achievedRate: number;
  readonly cpuMs: number;
}

/** More connections than are ever used at once by a server that keeps up. */
const connections = 256;
const answersWithinMs = 30_000;

if (process.send !== undefined) {
  process.once('message', (plan: LoadPlan) => {
    // The channel keeps this process alive until the bench, which has read the report by then, stops it.
    void offer(plan).then((report) => process.send?.(report));
  });
}

async function offer(plan: LoadPlan): Promise<LoadReport> {
  const pool = new Pool(plan.origin, { connections, pipelining: 1, headersTimeout: answersWithinMs });
  const makeRequest = await requestsOf(plan);
  const skipped = plan.warmUpSeconds * plan.ratePerSecond;
  const requests = skipped + plan.seconds * plan.ratePerSecond;
  const latenciesMs = Array.from({ length: requests - skipped }, () => 0);
  const ids: string[] = [];
  const errors: Record<string, number> = {};
  let open = 0;
  let cpuAtStart = process.cpuUsage();
  let lastAnswerAt = 0;

  const startAt = performance.now() + 100;
  const dueAt = (index: number): number => startAt + (index * 1_000) / plan.ratePerSecond;
  const send = (index: number): void => {
    if (index === skipped) {
      cpuAtStart = process.cpuUsage();
      process.send?.({ kind: 'counting' } satisfies CountingBegins);
    }
    open += 1;
    pool.dispatch(
      makeRequest(index),
      new Answer(({ status, location, fault }) => {
        open -= 1;
        lastAnswerAt = performance.now();
        if (index >= skipped) latenciesMs[index - skipped] = lastAnswerAt - dueAt(index);
        if (status === 202) ids.push(location.slice('/v1/videos/'.length));
        else if (status === 200) return;
        else errors[fault ?? String(status)] = (errors[fault ?? String(status)] ?? 0) + 1;
      }),
    );
  };

  for (let sent = 0; sent < requests;) {
    const now = performance.now();
    while (sent < requests && dueAt(sent) <= now) send(sent++);
    await delay(1);
  }
  while (open > 0) await delay(5);
  const { user, system } = process.cpuUsage(cpuAtStart);
  await writeFile(plan.idsFile, ids.join('\n'));
  await pool.destroy();
  return {
    kind: 'report',
    latenciesMs,
    requests,
    accepted: ids.length,
    errors,
    achievedRate: (latenciesMs.length * 1_000) / (lastAnswerAt - dueAt(skipped)),
    cpuMs: (user + system) / 1_000,
  };
}

type MakeRequest = (index: number) => Dispatcher.DispatchOptions;

async function requestsOf(plan: LoadPlan): Promise<MakeRequest> {
  return plan.readIdsFile === undefined ? await postsOf(plan) : await readsOf(plan, plan.readIdsFile);
}

async function readsOf({ apiKey }: LoadPlan, file: string): Promise<MakeRequest> {
  const ids = (await readFile(file, 'utf8')).split('\n');
  const headers = { authorization: `Bearer ${apiKey}` };
  return (index) => ({ method: 'GET', path: `/v1/videos/${ids[index % ids.length]}`, headers });
}

async function postsOf({ apiKey, selfie, users }: LoadPlan): Promise<MakeRequest> {
  const common = { method: 'POST', path: '/v1/videos' } as const;
  const headers = (contentType: string): Record<string, string> => ({
    authorization: `Bearer ${apiKey}`,
    'idempotency-key': randomUUID(),
    'content-type': contentType,
  });
  const wish = { model: 'wan-2.6', seconds: 5, size: '1280x720' };
  if (selfie === undefined) {
    return (index) => ({
      ...common,
      headers: headers('application/json'),
      body: JSON.stringify({ ...wish, prompt: promptOf(index), ...(users && { user: `user-${index % users}` }) }),
    });
  }
  const boundary = 'spillway-bench-boundary';
  const body = multipart(boundary, await readFile(selfie));
  return () => ({ ...common, headers: headers(`multipart/form-data; boundary=${boundary}`), body });
}

function promptOf(index: number): string {
  return `Take ${index}: she turns to the camera and smiles, city lights behind her, shallow depth of field, cinematic`;
}

function multipart(boundary: string, picture: Buffer): Buffer {
  const field = (name: string, value: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const file =
    `--${boundary}\r\ncontent-disposition: form-data; name="input_reference"; filename="selfie.jpg"\r\n` +
    'content-type: image/jpeg\r\n\r\n';
  const head = field('prompt', promptOf(0)) + field('model', 'wan-2.6') + field('seconds', '5') + file;
  return Buffer.concat([Buffer.from(head), picture, Buffer.from(`\r\n--${boundary}--\r\n`)]);
}

interface Outcome {
  readonly status: number;
  readonly location: string;
  readonly fault?: string;
}

/** Reads an answer to its end and keeps no byte of it. */
class Answer implements Dispatcher.DispatchHandler {
  readonly #tell: (outcome: Outcome) => void;
  #status = 0;
  #location = '';

  constructor(tell: (outcome: Outcome) => void) {
    this.#tell = tell;
  }

  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#location = String(headers['location'] ?? '');
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    this.#tell({ status: this.#status, location: this.#location });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const fault = 'code' in error ? String(error.code) : error.name;
    this.#tell({ status: 0, location: '', fault });
  }
}
