import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Database } from '../db/pool.ts';
import type { VideoProvider } from '../providers/provider.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** What activities need of the world, built once by main. */
export interface ActivityDeps {
  readonly db: Database;
  readonly catalogue: Catalogue;
  readonly providers: ReadonlyMap<string, VideoProvider>;
  /** The door to what a provider's answers point at, by the catalogue's names. */
  readonly remoteFiles: ReadonlyMap<string, RemoteFiles>;
  /** The same to what callers name in their requests. */
  readonly openInput: RemoteFiles['open'];
  /** Where videos and pictures become ours. */
  readonly store: ObjectStore;
  /** Where providers reach us. Absent: no callback is registered, the poll alone carries every job. */
  readonly publicUrl?: string;
  readonly log: Logger;
  /** How long jobs are kept after their end. Absent: as long as is usual. */
  readonly jobDaysKept?: number;
  /** So many jobs were forgotten. */
  readonly onPruned?: (count: number) => void;
  /** An attempt is about to be sent to this target. */
  readonly onSubmit?: (target: string) => void;
  /** A provider was asked how an attempt at this target stands. */
  readonly onPolled?: (target: string) => void;
  /** Called after a commit that wrote events of a job: whoever follows it is to be told. */
  readonly onEvents?: () => void;
  /** Whom to wake when something was queued: the dispatcher of this process. */
  readonly onQueued: () => void;
}

/** Opens URLs that somebody else gave. Throws `HostileUrlError` for one that is refused. */
export interface RemoteFiles {
  /** Resolves with any answer's head, whatever its status. */
  open(file: { readonly url: string; readonly signal?: AbortSignal }): Promise<RemoteFile>;
}

export interface RemoteFile {
  readonly status: number;
  readonly headers: { readonly 'content-type'?: string; readonly 'content-length'?: string };
  /** Whoever opened it reads it to its end or destroys it. */
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown };
}
