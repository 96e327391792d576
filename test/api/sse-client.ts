import { faultOfMessage } from '../support/contract.ts';
import { until } from '../support/until.ts';

/** One message as a browser would see it. */
export interface SseEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: unknown;
}

/** A reader of server-sent events, who keeps all that came, and fails where it is not as the document says. */
export interface SseReader {
  readonly response: Response;
  readonly events: SseEvent[];
  /** What was told of when to come back, in milliseconds. */
  readonly retries: number[];
  /** Comments, of which beats are. */
  readonly comments: number[];
  /** Those with an id: what a reader may come back for. */
  numbered(): readonly SseEvent[];
  lastId(): string | undefined;
  hasEnded(): boolean;
  /** Cuts the connection. */
  cut(): void;
  untilEvent(kind: string): Promise<SseEvent>;
  untilEnd(): Promise<void>;
}

export async function openSse(url: string, headers: Record<string, string> = {}): Promise<SseReader> {
  const controller = new AbortController();
  const response = await fetch(url, { headers, signal: controller.signal });
  const events: SseEvent[] = [];
  const retries: number[] = [];
  const comments: number[] = [];
  let lastId: string | undefined;
  let ended = false;
  let fault: string | undefined;
  const sound = (): true => {
    if (fault !== undefined) throw new Error(fault);
    return true;
  };
  const take = (block: string): void => {
    const lines = block.split('\n');
    const valueOf = (field: string): string | undefined =>
      lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
    if (lines.some((line) => line.startsWith(':'))) comments.push(Date.now());
    const [retry, id, data] = [valueOf('retry'), valueOf('id'), valueOf('data')];
    if (retry !== undefined) retries.push(Number(retry));
    if (id !== undefined) lastId = id;
    if (data === undefined) return;
    const event = { id, event: valueOf('event'), data: JSON.parse(data) };
    fault ??= faultOf(event);
    events.push(event);
  };
  const read = async (): Promise<void> => {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) take(block);
    }
  };
  void read()
    .catch(() => undefined)
    .finally(() => (ended = true));
  return {
    response,
    events,
    retries,
    comments,
    numbered: () => (sound() ? events.filter(({ id }) => id !== undefined) : []),
    lastId: () => lastId,
    hasEnded: () => ended,
    cut: () => controller.abort(),
    untilEvent: (kind) => until(`the event ${kind}`, () => sound() && events.find(({ event }) => event === kind)),
    untilEnd: async () => void (await until('the end of the stream', () => sound() && ended)),
  };
}

function faultOf({ event, data }: SseEvent): string | undefined {
  if (event === 'video') return faultOfMessage('Video', data);
  const ofTenant = typeof data === 'object' && data !== null && 'video_id' in data;
  return faultOfMessage(ofTenant ? 'TenantEvent' : 'JobEvent', data);
}
