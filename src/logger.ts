import { type Logger, pino, stdSerializers } from 'pino';

export interface LogSettings {
  readonly level: string;
  /** The process's part: `api`, `worker`, `start`. On every line. */
  readonly part: string;
  /** Where the lines go; standard error where nothing is said, so that standard output stays the program's own. */
  readonly destination?: string;
  /** What is on every line besides, as of the moment in which it is written. */
  readonly fields?: () => Readonly<Record<string, unknown>>;
}

/** Messages are constants and variables are fields. What could hold a secret or a prompt never gets as far as a line. */
export function createLogger({ level, part, destination, fields }: LogSettings): Logger {
  const options = {
    level,
    base: { part },
    timestamp: pino.stdTimeFunctions.isoTime,
    ...(fields && { mixin: () => ({ ...fields() }) }),
    serializers: { err: describeError },
    redact: {
      paths: hidden.flatMap((name) => [name, `*.${name}`]),
      censor: '[hidden]',
    },
  };
  return pino(options, pino.destination(destination === undefined ? 2 : { dest: destination, mkdir: true }));
}

/** A second line: nobody logs these, and should somebody, they are hidden all the same. */
const hidden = ['authorization', 'prompt', 'negative_prompt', 'token', 'client_token', 'secret', 'password', 'body'];

/**
 * What an error is, and what caused it. Not all that hangs on it: Postgres' errors quote the row that was refused, prompt
 * and all, and those of HTTP clients carry whole requests.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: typeof error === 'string' ? error : typeof error };
  const { type, message, stack } = stdSerializers.err(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { type, message, stack, code };
}
