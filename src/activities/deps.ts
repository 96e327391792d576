import type { Logger } from 'pino';
import type { Catalogue } from '../catalogue/schema.ts';
import type { Database } from '../db/pool.ts';
import type { VideoProvider } from '../providers/provider.ts';
import type { ImageStore } from '../storage/image-store.ts';

/** What activities need of the world, built once by main. */
export interface ActivityDeps {
  readonly db: Database;
  readonly catalogue: Catalogue;
  readonly providers: ReadonlyMap<string, VideoProvider>;
  readonly images: ImageStore;
  /** Where providers reach us. Absent: no callback is registered, the poll alone carries every job. */
  readonly publicUrl?: string;
  readonly log: Logger;
  /** Whom to wake when something was queued: the dispatcher of this process. */
  readonly onQueued: () => void;
}
