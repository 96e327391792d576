import { PrimaryClient } from './hosts.ts';
import type { Database } from './pool.ts';

/**
 * Wake-ups between processes. They travel beside the writes, never inside their transactions (NOTIFY serialises
 * commits), and only save waiting: whoever misses one looks by itself a moment later.
 */
export const channel = 'spillway';

/** `grant`: capacity or a ticket may be there. `mail`: something lies in the mailbox. `events`: a job has a new event. `erase`: a job was deleted. */
export type WakeUp = 'grant' | 'mail' | 'events' | 'erase';

export interface WakeUps {
  /** Sends soon; any number of calls within `everyMs` are one. */
  send(kind: WakeUp): void;
}

/** Call `send` after the commit. A wake-up that cannot be sent is dropped: the database is away, so are its readers. */
export function createWakeUps(db: Database, everyMs = 10): WakeUps {
  const pending = new Set<WakeUp>();
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    const kinds = [...pending].join(',');
    pending.clear();
    void sendWakeUp(db, kinds);
  };
  return {
    send(kind) {
      pending.add(kind);
      timer ??= setTimeout(flush, everyMs);
    },
  };
}

/** For a process that ends right after: once it has returned, it is sent, or can't be. */
export async function sendWakeUp(db: Database, kinds: string): Promise<void> {
  await db
    .query({ name: 'wake_up', text: 'SELECT pg_notify($1, $2)', values: [channel, kinds] })
    .catch(() => undefined);
}

export interface Listener {
  close(): Promise<void>;
}

const reconnectAfterMs = 1_000;

/** Listens on a connection of its own and connects anew when that breaks. */
export function listenToWakeUps(url: string, onWakeUp: (kinds: readonly string[]) => void): Listener {
  let closed = false;
  let client: PrimaryClient | undefined;
  let retry: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const fresh = new PrimaryClient({
      connectionString: url,
      application_name: 'spillway-wake-ups',
      connectionTimeoutMillis: 1_000,
      // It says nothing for hours: a server that has gone without a word is noticed, and what lies between keeps the connection.
      keepAlive: true,
      keepAliveInitialDelayMillis: 30_000,
    });
    client = fresh;
    fresh.on('error', () => void fresh.end().catch(() => undefined));
    fresh.on('end', reconnect);
    fresh.on('notification', ({ payload }) => onWakeUp((payload ?? '').split(',')));
    await fresh.connect();
    await fresh.refuseStandby().catch(async (error: unknown) => {
      await fresh.end();
      throw error;
    });
    await fresh.query(`LISTEN ${channel}`);
  };
  const reconnect = (): void => {
    if (closed) return;
    clearTimeout(retry);
    retry = setTimeout(() => void connect().catch(reconnect), reconnectAfterMs);
  };
  void connect().catch(reconnect);
  return {
    async close() {
      closed = true;
      clearTimeout(retry);
      await client?.end().catch(() => undefined);
    },
  };
}
