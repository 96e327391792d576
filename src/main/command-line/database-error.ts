import { CommandError } from './command-error.ts';

/** What an operator can do about an error of the database. */
export function databaseError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '42P01' || code === '42703')
    return new CommandError(1, 'The database is of an older release. Run `npm run migrate` first.', { cause: error });
  if (code === '57014')
    return new CommandError(
      1,
      'The database took too long, and nothing was changed. Look what it is busy with, and repeat it.',
      {
        cause: error,
      },
    );
  if (error instanceof Error && !('severity' in error))
    return new CommandError(1, `The database did not answer (${code || error.message}). Check DATABASE_URL.`, {
      cause: error,
    });
  return error;
}
