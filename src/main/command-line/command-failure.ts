import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { ConfigError } from '../../config.ts';
import { CommandError } from './command-error.ts';

/** What an operator can do about what went wrong. What nobody can is returned as it is. */
export function commandFailure(error: unknown): unknown {
  if (error instanceof CommandError || !(error instanceof Error)) return error;
  if (error instanceof ConfigError) return new CommandError(2, error.message, { cause: error });
  return failureOfTemporal(error) ?? failureOfDatabase(error) ?? error;
}

/** The client wraps what the connection says. */
function failureOfTemporal(error: Error): CommandError | undefined {
  const said = error instanceof ServiceError && error.cause !== undefined ? error.cause : error;
  if (!(said instanceof ServiceError) && !isGrpcServiceError(said)) return undefined;
  return new CommandError(
    1,
    `Temporal did not do it (${firstLine(said.message)}). Check that it runs, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY, and repeat it.`,
    { cause: error },
  );
}

function failureOfDatabase(error: Error): CommandError | undefined {
  const code = 'code' in error ? String(error.code) : '';
  const failure = (message: string): CommandError => new CommandError(1, message, { cause: error });
  if (code === '42P01' || code === '42703')
    return failure('The database is of an older release. Run `npm run migrate` first.');
  if (code === '57014')
    return failure('The database took too long, and nothing was changed. Look what it is busy with, and repeat it.');
  if (isSilence(error))
    return failure(`The database did not answer (${code || firstLine(error.message)}). Check DATABASE_URL.`);
  return undefined;
}

const namesOfSilence = new Set(['Error', 'AggregateError', 'StandbyError']);

/** The driver has no kind of its own for it; what the server says has a severity, and others' errors have their names. */
function isSilence(error: Error): boolean {
  if ('code' in error && error.code === 'ERR_INVALID_URL') return true;
  return namesOfSilence.has(error.name) && !('severity' in error) && !('$metadata' in error);
}

function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').slice(0, 300);
}
