import { join } from 'node:path';

/** The repository's root; every program of the bench runs from here. */
export const root = join(import.meta.dirname, '..');
