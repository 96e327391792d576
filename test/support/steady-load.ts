import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { askReadiness } from './balancer.ts';

export interface Backend {
  readonly url: string;
  /** Where it says whether it wants requests. */
  readonly opsUrl: string;
}

export interface LoadSettings {
  readonly backends: readonly Backend[];
  /** What is asked for. */
  readonly wish: object;
  readonly ratePerSecond: number;
}

export interface Load {
  readonly accepted: string[];
  /** Answers that are none of success, and requests without one. */
  readonly refused: string[];
  /** What is being replaced, to be told beside them. */
  during: string;
  stop(): Promise<void>;
}

/** Sends each request at its time, whatever became of those before it. */
export function startLoad({ backends, wish, ratePerSecond }: LoadSettings): Load {
  const [accepted, refused]: [string[], string[]] = [[], []];
  const underWay = new Set<Promise<void>>();
  const door = openDoor(backends, JSON.stringify(wish));
  let open = true;
  const load = { accepted, refused, during: 'nothing', stop };
  const refuse = (began: string, what: string): void => void refused.push(`${began}, ${load.during}: ${what}`);
  const send = async (): Promise<void> => {
    const began = load.during;
    try {
      const { status, text } = await door.post();
      if (status === 202) accepted.push(JSON.parse(text).id);
      else refuse(began, `${status} ${text.slice(0, 200)}`);
    } catch (error) {
      refuse(began, error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error));
    }
  };
  const startedAt = performance.now();
  const clock = async (): Promise<void> => {
    for (let sent = 0; open; sent += 1) {
      const dueAt = startedAt + (sent * 1_000) / ratePerSecond;
      if (dueAt > performance.now()) await delay(dueAt - performance.now());
      const way = send().finally(() => underWay.delete(way));
      underWay.add(way);
    }
  };
  const sending = clock();
  async function stop(): Promise<void> {
    open = false;
    await sending;
    await Promise.all(underWay);
    await door.close();
  }
  return load;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * What a balancer does, without the second hop that would cost as much as the API: each request goes to the next one that says
 * it is ready, on connections that are kept, and one that takes none is passed over.
 */
function openDoor(backends: readonly Backend[], body: string) {
  const agent = new Agent({
    connections: 200,
    connectTimeout: 30_000,
    headersTimeout: 60_000,
    keepAliveTimeout: 4_000,
  });
  const leaving = new Set<Backend>();
  const asking = setInterval(() => {
    for (const backend of backends) void askReadiness(`${backend.opsUrl}/readyz`, backend, leaving);
  }, 200);
  let turn = 0;
  const send = async ([backend, ...others]: readonly Backend[]): Promise<Answer> => {
    if (backend === undefined) throw new Error('nobody takes a connection');
    try {
      const headers = { 'content-type': 'application/json' };
      const answer = await request(`${backend.url}/v1/videos`, { method: 'POST', headers, body, dispatcher: agent });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (error) {
      const isAway = error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
      if (isAway && others.length > 0) return await send(others);
      throw error;
    }
  };
  return {
    async post(): Promise<Answer> {
      turn += 1;
      const inTurn = [...backends.slice(turn % backends.length), ...backends.slice(0, turn % backends.length)];
      return await send(inTurn.toSorted((one, other) => Number(leaving.has(one)) - Number(leaving.has(other))));
    },
    async close() {
      clearInterval(asking);
      await agent.close();
    },
  };
}
