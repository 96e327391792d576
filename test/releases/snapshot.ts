import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../src/db/pool.ts';

/** What a release may count on in the database, by name. */
export interface SchemaSnapshot {
  /** `table.column`: its type, and whether it takes no value, is filled in by itself, or neither. */
  readonly columns: Readonly<Record<string, string>>;
  /** `name(arguments)`: what comes back. */
  readonly functions: Readonly<Record<string, string>>;
  /** `table.constraint`: what it asserts. A new one may refuse what a release writes. */
  readonly constraints: Readonly<Record<string, string>>;
}

export async function takeSnapshot(db: Database): Promise<SchemaSnapshot> {
  return {
    columns: await asRecord(
      db,
      `SELECT attrelid::regclass || '.' || attname AS name,
              concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN NOT attnotnull THEN 'optional'
                WHEN atthasdef OR attidentity <> '' THEN 'filled in' ELSE 'required' END) AS what
       FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
       WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p') AND attnum > 0 AND NOT attisdropped
       ORDER BY 1`,
    ),
    functions: await asRecord(
      db,
      `SELECT proname || '(' || pg_get_function_identity_arguments(oid) || ')' AS name, pg_get_function_result(oid) AS what
       FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`,
    ),
    constraints: await asRecord(
      db,
      `SELECT conrelid::regclass || '.' || conname AS name, pg_get_constraintdef(oid) AS what
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n' ORDER BY 1`,
    ),
  };
}

async function asRecord(db: Database, text: string): Promise<Readonly<Record<string, string>>> {
  const { rows } = await db.query<{ name: string; what: string }>(text);
  return Object.fromEntries(rows.map(({ name, what }) => [name, what]));
}

/** A line of its own between two statements. */
export const statementSeparator = '\n--;\n';

/** A release as it was recorded: what it may count on, and every statement that it sends. */
export interface RecordedRelease {
  readonly release: string;
  readonly schema: SchemaSnapshot;
  readonly statements: readonly string[];
}

export function recordedReleases(): readonly RecordedRelease[] {
  const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.map(({ name: release }) => {
    const read = (file: string): string => readFileSync(join(import.meta.dirname, release, file), 'utf8');
    const schema: SchemaSnapshot = JSON.parse(read('schema.json'));
    return { release, schema, statements: read('statements.sql').trim().split(statementSeparator) };
  });
}

/** What Postgres says against each statement that it would not run, the statement's beginning first. */
export async function unprepared(db: Database, statements: readonly string[]): Promise<readonly string[]> {
  const refused: string[] = [];
  for (const statement of statements) {
    try {
      await db.query(`PREPARE recorded AS ${statement}`);
      await db.query('DEALLOCATE recorded');
    } catch (error) {
      refused.push(`${statement.trim().slice(0, 120)} … ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return refused;
}
