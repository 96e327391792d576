import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What each release has recorded, a folder each, and what will be recorded with the next one. */
const root = join(import.meta.dirname, '../histories');

/** Where today's workflows write; at a release the folder takes its name, and a new one begins. */
export const unreleased = 'unreleased';

/** The folders, `unreleased` among them. */
export function recordedReleases(): readonly string[] {
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

export function historiesOf(release: string): string {
  return join(root, release);
}
