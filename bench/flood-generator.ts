import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Offers far more requests than can be answered, at a fixed rate, and takes as little of the machine for it as it can:
 * bytes over sockets, a request at a time on each. A process of its own, driven by messages, one a phase.
 */

export interface FloodPlan {
  readonly kind: 'plan';
  readonly port: number;
  readonly apiKey: string;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Where the ids go that were answered with 202, a line each; later phases add to it. */
  readonly idsFile: string;
}

export interface FloodReport {
  readonly kind: 'report';
  /** Milliseconds from the moment at which a request was due to the end of its answer. */
  readonly acceptedMs: readonly number[];
  readonly refusedMs: readonly number[];
  /** Of the seconds in which requests were due: how many of each were accepted, and refused. */
  readonly acceptedBySecond: readonly number[];
  readonly refusedBySecond: readonly number[];
  /** By status, or by fault. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds by which this process itself was late to send, 99 of 100 times less. */
  readonly sentLateMs: number;
  readonly cpuMs: number;
}

const connectionsMax = 2_000;
const lastAnswerWithinMs = 10_000;

const idle: Connection[] = [];
let opened = 0;

if (process.send !== undefined) {
  process.on('message', (plan: FloodPlan) => {
    void offer(plan).then((report) => process.send?.(report));
  });
}

async function offer(plan: FloodPlan): Promise<FloodReport> {
  const { ratePerSecond, seconds } = plan;
  const requests = ratePerSecond * seconds;
  const acceptedBySecond = Array.from({ length: seconds }, () => 0);
  const refusedBySecond = Array.from({ length: seconds }, () => 0);
  const [acceptedMs, refusedMs, lateMs]: [number[], number[], number[]] = [[], [], []];
  const errors: Record<string, number> = {};
  const ids: string[] = [];
  const cpuAtStart = process.cpuUsage();
  let open = 0;
  const startAt = performance.now() + 50;

  const answered = (index: number, { status, id }: Answer): void => {
    open -= 1;
    const ms = performance.now() - startAt - (index * 1_000) / ratePerSecond;
    const second = Math.floor(index / ratePerSecond);
    if (status === 202) {
      acceptedMs.push(ms);
      acceptedBySecond[second] = (acceptedBySecond[second] ?? 0) + 1;
      ids.push(id);
    } else if (status === 503 || status === 429) {
      refusedMs.push(ms);
      refusedBySecond[second] = (refusedBySecond[second] ?? 0) + 1;
    } else errors[String(status)] = (errors[String(status)] ?? 0) + 1;
  };
  const send = (index: number): void => {
    open += 1;
    lateMs.push(performance.now() - startAt - (index * 1_000) / ratePerSecond);
    const connection = idle.pop() ?? (opened < connectionsMax ? new Connection(plan.port) : undefined);
    if (connection === undefined) return answered(index, { status: 'no connection free', id: '' });
    connection.ask(requestOf(plan, index), (answer) => answered(index, answer));
  };

  for (let sent = 0; sent < requests;) {
    const due = Math.floor(((performance.now() - startAt) * ratePerSecond) / 1_000) + 1;
    while (sent < Math.min(due, requests)) send(sent++);
    await delay(1);
  }
  const giveUpAt = performance.now() + lastAnswerWithinMs;
  while (open > 0 && performance.now() < giveUpAt) await delay(5);
  if (open > 0) errors['no answer'] = open;
  await writeFile(plan.idsFile, ids.map((id) => `${id}\n`).join(''), { flag: 'a' });
  const { user, system } = process.cpuUsage(cpuAtStart);
  const sentLateMs = lateMs.toSorted((a, b) => a - b)[Math.floor(lateMs.length * 0.99)] ?? 0;
  const cpuMs = (user + system) / 1_000;
  return { kind: 'report', acceptedMs, refusedMs, acceptedBySecond, refusedBySecond, errors, sentLateMs, cpuMs };
}

function requestOf({ apiKey }: FloodPlan, index: number): string {
  const prompt = `Take ${index}: she turns to the camera and smiles, city lights behind her, shallow depth of field`;
  const body = `{"model":"wan-2.6","seconds":5,"size":"1280x720","prompt":"${prompt}"}`;
  return (
    'POST /v1/videos HTTP/1.1\r\nhost: 127.0.0.1\r\n' +
    `authorization: Bearer ${apiKey}\r\nidempotency-key: ${randomUUID()}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  );
}

interface Answer {
  /** Or what went wrong. */
  readonly status: number | string;
  readonly id: string;
}

/** A socket that carries one request at a time, kept open as long as the server does. */
class Connection {
  readonly #socket: Socket;
  #text = '';
  #tell: ((answer: Answer) => void) | undefined;

  constructor(port: number) {
    opened += 1;
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#read(text));
    this.#socket.on('error', () => undefined);
    this.#socket.once('close', () => this.#close());
  }

  ask(request: string, tell: (answer: Answer) => void): void {
    this.#text = '';
    this.#tell = tell;
    this.#socket.write(request);
  }

  #read(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#text.slice(0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#text.length < headEnd + 4 + length) return;
    const tell = this.#tell;
    this.#tell = undefined;
    if (!/connection: close/i.test(head)) idle.push(this);
    tell?.({ status: Number(head.slice(9, 12)), id: /location: \/v1\/videos\/(\S+)/i.exec(head)?.[1] ?? '' });
  }

  #close(): void {
    opened -= 1;
    const place = idle.indexOf(this);
    if (place !== -1) idle.splice(place, 1);
    this.#tell?.({ status: 'connection lost', id: '' });
  }
}
