import { readFile } from 'node:fs/promises';
import type { MigrationBuilder } from 'node-pg-migrate';
import { limits } from '../domain/limits/limits.ts';

interface MigrationFile {
  readonly id: string;
  readonly filePaths: string[];
  readonly actions: { readonly up: (builder: MigrationBuilder) => void; readonly down: false };
}

/**
 * Migrations as files of SQL: each is one transaction with the note that it has run. One that says `-- Without a transaction`
 * runs statement by statement instead, as an index that is built `CONCURRENTLY` has to be, and is repeated from its beginning if
 * it was cut short.
 */
export async function readMigrationFiles(paths: readonly string[]): Promise<MigrationFile[]> {
  return await Promise.all(
    paths.map(async (path) => {
      const sql = await readFile(path, 'utf8');
      const up = isWithoutTransaction(sql) ? inSteps(sql) : (builder: MigrationBuilder) => builder.sql(sql);
      return { id: path, filePaths: [path], actions: { up, down: false } };
    }),
  );
}

export function isWithoutTransaction(sql: string): boolean {
  return /^-- Without a transaction\b/m.test(sql);
}

/**
 * Such a statement waits until every transaction of before has ended, and keeps nobody from anything meanwhile: it may wait for
 * as long as a migration may at all. Its file has no body of a function, so a semicolon ends a statement.
 */
function inSteps(sql: string): (builder: MigrationBuilder) => void {
  const statements = sql.split(/;\s*$/m).filter((statement) => statement.replaceAll(/--.*$/gm, '').trim() !== '');
  return (builder) => {
    builder.noTransaction();
    builder.sql(`SET lock_timeout = ${limits.migrationMsMax}`);
    for (const statement of statements) builder.sql(statement);
    builder.sql(`SET lock_timeout = ${limits.migrationLockMsMax}`);
  };
}
