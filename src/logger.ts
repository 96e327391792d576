import { type Logger, pino } from 'pino';

export interface LogSettings {
  readonly level: string;
  /** The process's part: `api`, `worker`, `start`. On every line. */
  readonly part: string;
  /** Where the lines go; standard error where nothing is said, so that standard output stays the program's own. */
  readonly destination?: string;
}

/** Messages are constants and variables are fields. What could hold a secret or a prompt never gets as far as a line. */
export function createLogger({ level, part, destination }: LogSettings): Logger {
  const options = {
    level,
    base: { part },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ['*.authorization', '*.prompt', '*.token', 'prompt', 'token', 'authorization'],
      censor: '[hidden]',
    },
  };
  return pino(options, pino.destination(destination === undefined ? 2 : { dest: destination, mkdir: true }));
}
