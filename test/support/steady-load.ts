import { setTimeout as delay } from 'node:timers/promises';

export interface LoadSettings {
  readonly post: () => Promise<Response>;
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
export function startLoad({ post, ratePerSecond }: LoadSettings): Load {
  const [accepted, refused]: [string[], string[]] = [[], []];
  const underWay = new Set<Promise<void>>();
  let open = true;
  const load = { accepted, refused, during: 'nothing', stop };
  const refuse = (began: string, what: string): void => void refused.push(`${began}, ${load.during}: ${what}`);
  const send = async (): Promise<void> => {
    const began = load.during;
    try {
      const response = await post();
      const body = await response.text();
      if (response.status === 202) accepted.push(JSON.parse(body).id);
      else refuse(began, `${response.status} ${body.slice(0, 200)}`);
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
  }
  return load;
}
