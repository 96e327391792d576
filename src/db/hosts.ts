import { Client, type ClientConfig } from 'pg';

/** Where a connection string points, one URL a host, and on which of them the primary was met last. */
export interface Hosts {
  readonly urls: readonly string[];
  current(): string;
  /** It is not to be had there, or only to read: whoever connects next tries the following one. */
  leave(url: string): void;
}

const shared = new Map<string, Hosts>();

/**
 * Reads what libpq takes and `pg` does not: several hosts, `postgres://user@one:5432,two:5433/db`. Of a process all
 * connections share what was learned of them, so that a failover is met once and not once a connection.
 */
export function hostsOf(url: string): Hosts {
  const known = shared.get(url);
  if (known !== undefined) return known;
  const hosts = createHosts(splitHosts(url));
  shared.set(url, hosts);
  return hosts;
}

function createHosts(urls: readonly string[]): Hosts {
  let index = 0;
  const current = (): string => urls[index % urls.length] ?? '';
  return {
    urls,
    current,
    leave: (url) => void (url === current() && (index += 1)),
  };
}

const several = /^([a-z]+:\/\/(?:[^@/?#]*@)?)([^/?#]+)(.*)$/i;

/** One URL of each host. What libpq would be told of the kind of session wanted is what every session here is: it may write. */
export function splitHosts(url: string): readonly string[] {
  const [, start = '', hosts = '', rest = ''] = several.exec(url) ?? [];
  if (!hosts.includes(',')) return [url];
  return hosts.split(',').map((host) => `${start}${host.trim()}${withoutSessionKind(rest)}`);
}

function withoutSessionKind(rest: string): string {
  const [path = '', query] = rest.split('?', 2);
  const kept = (query ?? '').split('&').filter((part) => part !== '' && !part.startsWith('target_session_attrs='));
  return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
}

/** A server that follows another one: it would refuse whatever we do. */
class StandbyError extends Error {
  override name = 'StandbyError';
}

/**
 * A connection to the host whose turn it is. One that can't be had gives the turn to the next host: whoever tries again tries
 * there. With one host it is a plain connection.
 */
export class PrimaryClient extends Client {
  readonly #hosts: Hosts;
  readonly #url: string;

  constructor(config: ClientConfig) {
    const hosts = hostsOf(config.connectionString ?? '');
    const url = hosts.current();
    super({ ...config, connectionString: url });
    this.#hosts = hosts;
    this.#url = url;
    let isThere = false;
    this.on('connect', () => void (isThere = true));
    this.on('end', () => {
      if (!isThere) this.leave();
    });
  }

  leave(): void {
    this.#hosts.leave(this.#url);
  }

  /** Throws on a server that only follows. With one host nothing is asked: whoever names it means it. */
  async refuseStandby(): Promise<void> {
    if (this.#hosts.urls.length === 1) return;
    const { rows } = await this.query<{ isReadOnly: boolean }>(
      `SELECT current_setting('transaction_read_only')::boolean AS "isReadOnly"`,
    );
    if (rows[0]?.isReadOnly !== true) return;
    this.leave();
    throw new StandbyError('This Postgres server only follows another one. The next host of DATABASE_URL is tried.');
  }
}

/** The URL of the host that can be written to, for whoever takes one only. Throws what the last of them said. */
export async function findPrimary(url: string): Promise<string> {
  const hosts = hostsOf(url);
  if (hosts.urls.length === 1) return url;
  let last: unknown;
  for (let count = 0; count < hosts.urls.length; count += 1) {
    const at = hosts.current();
    const client = new PrimaryClient({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.refuseStandby();
      return at;
    } catch (error) {
      last = error;
      hosts.leave(at);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw last;
}

/** The server has become one that only follows, or the primary has been told to write nothing: Postgres' code 25006. */
export function isReadOnlyError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '25006';
}
