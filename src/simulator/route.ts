import type { IncomingMessage } from 'node:http';
import type { Account } from './account.ts';
import type { Answer } from './answer.ts';
import type { MediaStore } from './media-store.ts';
import type { SimulatorOptions } from './options.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly url: URL;
  /** What the groups of the route's path matched. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Where the caller found us. */
  readonly origin: string;
  readonly account: Account;
  readonly media: MediaStore;
  readonly options: SimulatorOptions;
  readonly reset: () => void;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: RegExp;
  readonly handle: (exchange: Exchange) => Answer | Promise<Answer>;
}
