import { isWithoutTransaction } from '../../src/db/migration-files.ts';

/**
 * What a migration may not do to a database in which processes of the release before are at work. Where a pattern
 * names a table, the migration may do it to one that it makes itself.
 */
interface Rule {
  readonly name: string;
  readonly pattern: RegExp;
  /** What is wrong with it, and what to do instead. */
  readonly says: string;
}

const rules: readonly Rule[] = [
  {
    name: 'drop',
    pattern: /\bDROP (TABLE|COLUMN|FUNCTION|PROCEDURE|VIEW|MATERIALIZED VIEW|TYPE|DOMAIN|SEQUENCE|SCHEMA)\b/i,
    says: 'takes away what the release before may use. Let a later release do it, in a file NNNN_contract_….sql',
  },
  {
    name: 'rename',
    pattern: /\bRENAME\b/i,
    says: 'takes the old name away. Add the new one beside it, and let a later release take the old one away',
  },
  {
    name: 'type',
    pattern: /\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b/i,
    says: 'writes the table anew and changes what the release before reads. Add a column beside it',
  },
  {
    name: 'not null',
    pattern: /\bALTER (COLUMN )?\w+ SET NOT NULL\b/i,
    says: 'refuses what the release before writes. Wait until no process writes nothing there',
  },
  {
    name: 'required column',
    pattern:
      /\bADD (COLUMN )?(?!CONSTRAINT)(IF NOT EXISTS )?\w+ (?=[^,]*\bNOT NULL\b)(?![^,]*\b(DEFAULT|GENERATED)\b)[^,]*/i,
    says: 'has no value for rows of the release before. Give it a default',
  },
  {
    name: 'rewrite',
    pattern: /\bADD (COLUMN )?[^,]*\bDEFAULT (clock_timestamp|random|gen_random_uuid|nextval|timeofday)\b/i,
    says: 'writes every row anew, under a lock that keeps everybody out. Take now(), or a default that is a constant',
  },
  {
    name: 'constraint',
    pattern:
      /^ALTER TABLE (IF EXISTS )?(?:ONLY )?(?<table>\w+)(?=[\s\S]*\bADD (CONSTRAINT|CHECK|FOREIGN KEY|UNIQUE|PRIMARY KEY)\b)(?![\s\S]*\bNOT VALID\b)/i,
    says: 'reads the whole table under a lock, and may refuse what the release before writes. Say NOT VALID',
  },
  {
    name: 'index',
    pattern: /^CREATE (UNIQUE )?INDEX (IF NOT EXISTS )?\w+ ON (ONLY )?(?<table>\w+)/i,
    says: 'lets nobody write to the table until it is built. Build it CONCURRENTLY, in a file that says `-- Without a transaction`',
  },
  {
    name: 'rows',
    pattern: /^(UPDATE|DELETE FROM|TRUNCATE( TABLE)?|LOCK( TABLE)?) (?<table>\w+)/i,
    says: 'keeps rows locked until the whole file has committed. Let the program do it, batch by batch',
  },
];

/** What is wrong with a migration, a sentence each. `-- Reviewed (index): why it is fine.` in the file speaks for a rule. */
export function lintMigration(file: string, sql: string): readonly string[] {
  if (/^\d+_contract_/.test(file)) return [];
  const reviewed = new Set([...sql.matchAll(/^-- Reviewed \(([a-z ]+)\): \S.{10,}$/gm)].map(([, rule = '']) => rule));
  const statements = statementsOf(sql);
  const own = new Set(statements.flatMap((text) => /^CREATE TABLE (?:IF NOT EXISTS )?(\w+)/i.exec(text)?.[1] ?? []));
  const found = statements.flatMap((statement) =>
    rules.flatMap(({ name, pattern, says }) => {
      const found = pattern.exec(statement);
      if (found === null || reviewed.has(name) || own.has(found.groups?.['table'] ?? '')) return [];
      return [`${file} (${name}): ${found[0].slice(0, 80).trim()} … ${says}.`];
    }),
  );
  const wrong = isWithoutTransaction(sql) ? unrepeatable(statements) : untimely({ statements, own });
  return [...found, ...wrong.map((what) => `${file} (transaction): ${what}`)];
}

/** What a file without a transaction may not have: after half of it, it begins anew. */
function unrepeatable(statements: readonly string[]): readonly string[] {
  return statements.flatMap((statement, index) => {
    const [, name] = /^CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON/i.exec(statement) ?? [];
    const drop = (dropped: string): string => `DROP INDEX CONCURRENTLY IF EXISTS ${dropped}`;
    if (statement === '' || statement.startsWith(drop(''))) return [];
    if (name === undefined)
      return [`${statement.slice(0, 80)} … can't be repeated. Give it a file with a transaction.`];
    return statements[index - 1] === drop(name)
      ? []
      : [`${name} may be there, and not valid. Begin with ${drop(name)}.`];
  });
}

/** What a file with a transaction may not have, whoever has looked at it. */
function untimely({ statements, own }: { statements: readonly string[]; own: ReadonlySet<string> }): readonly string[] {
  const altered = new Set(statements.flatMap((text) => /^ALTER TABLE (?:ONLY )?(\w+)/i.exec(text)?.[1] ?? []));
  return statements.flatMap((statement) => {
    if (/^(CREATE (UNIQUE )?|DROP )INDEX CONCURRENTLY\b/i.test(statement))
      return [`${statement.slice(0, 80)} … only runs in a file that says \`-- Without a transaction\`.`];
    const [, table = ''] = /^CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\w+ ON (?:ONLY )?(\w+)/i.exec(statement) ?? [];
    if (!altered.has(table) || own.has(table)) return [];
    return [`${statement.slice(0, 80)} … is built while ALTER TABLE keeps everybody out. Give it a file of its own.`];
  });
}

/** Without comments, texts and the bodies of functions, which do nothing to the schema. */
function statementsOf(sql: string): readonly string[] {
  return sql
    .replaceAll(/(\$\w*\$)[\s\S]*?\1/g, `''`)
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/'(?:[^']|'')*'/g, `''`)
    .split(';')
    .map((statement) => statement.replaceAll(/\s+/g, ' ').trim());
}
