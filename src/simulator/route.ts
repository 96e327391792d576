import type { IncomingMessage } from 'node:http';
import type { Account } from './account.ts';
import type { Answer } from './answer.ts';
import type { MediaStore } from './media-store.ts';
import type { World } from './world.ts';

/** A request, and what its path matched. */
interface Asked {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** What the groups of the route's path matched. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A request to one of the vendors. */
export interface Exchange extends Asked {
  /** Where the caller found us. */
  readonly origin: string;
  /** Where it found this vendor: the origin with the vendor's prefix. */
  readonly baseUrl: string;
  /** The one that was open when the request came, whatever is reset meanwhile. */
  readonly account: Account;
  readonly media: MediaStore;
}

/** A request to what the vendors share, at the root. */
export interface RootExchange extends Asked {
  readonly world: World;
}

export interface Route<AnyExchange = Exchange> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: RegExp;
  readonly handle: (exchange: AnyExchange) => Answer | Promise<Answer>;
}
