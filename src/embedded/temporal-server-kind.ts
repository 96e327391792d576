/** The dev server on SQLite, or Temporal's own server, which Go builds once, on the embedded Postgres. */
export type TemporalServerKind = 'dev' | 'postgres';

/** Reads the option `--temporal` of a command. */
export function readTemporalServerKind(text: string): TemporalServerKind {
  if (text === 'dev' || text === 'postgres') return text;
  throw new Error(`--temporal is ${text}. It has to be dev or postgres.`);
}
