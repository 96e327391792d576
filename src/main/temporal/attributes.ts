import { setTimeout as delay } from 'node:timers/promises';
import { Connection, type ConnectionLike } from '@temporalio/client';
import { searchAttributeTypes } from '../../contracts/search-attributes.ts';
import { addSearchAttributes, findMissingAttributes, isLasting } from '../../embedded/search-attributes.ts';
import { noServer, type TemporalSettings } from './connection.ts';

/** The namespace lacks search attributes, and this client may not add them. */
export class MissingAttributesError extends Error {
  override name = 'MissingAttributesError';
}

const askMsMax = 10_000;
const giveUpAfterMs = 60_000;
const againAfterMs = 1_000;
const knownWithinMs = 15_000;

/** Registers what the namespace lacks. Throws `MissingAttributesError` with the command where the server refuses. */
export async function registerSearchAttributes(settings: TemporalSettings): Promise<void> {
  const connection = await connect(settings);
  const add = async (): Promise<void> =>
    await within(connection, () => addSearchAttributes(connection, searchAttributeTypes, settings.namespace));
  try {
    const added = await patiently(settings, add).then(
      () => true,
      (error: unknown) => {
        if (isLasting(error)) return false;
        throw error;
      },
    );
    const missing = await (added ? stillMissing : findMissing)(connection, settings);
    if (missing.length > 0) throw missingAttributes(missing, settings.namespace);
  } finally {
    await connection.close();
  }
}

/** A server says nothing where an attribute is there with another type, and a large one takes a moment to know. */
async function stillMissing(connection: ConnectionLike, settings: TemporalSettings): Promise<readonly string[]> {
  const giveUpAt = Date.now() + knownWithinMs;
  for (;;) {
    const missing = await findMissing(connection, settings);
    if (missing.length === 0 || Date.now() > giveUpAt) return missing;
    await delay(againAfterMs);
  }
}

/** For a worker's boot: a start that has an attribute which nobody registered is refused, and so would be every job. */
export async function assertSearchAttributes(connection: ConnectionLike, settings: TemporalSettings): Promise<void> {
  const missing = await patiently(settings, async () => await findMissing(connection, settings));
  if (missing.length > 0) throw missingAttributes(missing, settings.namespace);
}

export async function findMissing(
  connection: ConnectionLike,
  { namespace }: TemporalSettings,
): Promise<readonly string[]> {
  return await within(connection, () => findMissingAttributes(connection, searchAttributeTypes, namespace));
}

/** What an operator types, at a server of one's own and at Temporal Cloud. */
export function commandsToAdd(missing: readonly string[], namespace: string): string {
  const at = `--namespace ${namespace}`;
  const named = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
  const pairs = missing.map((name) => `--search-attribute "${name}=Keyword"`).join(' ');
  return `\`temporal operator search-attribute create ${at} ${named}\`, at Temporal Cloud \`tcld namespace search-attributes add ${at} ${pairs}\``;
}

function missingAttributes(missing: readonly string[], namespace: string): MissingAttributesError {
  const which = missing.length === 1 ? 'the search attribute' : 'the search attributes';
  return new MissingAttributesError(
    `The namespace ${namespace} lacks ${which} ${missing.join(', ')} of type Keyword. Run \`npm run migrate\`, or ${commandsToAdd(missing, namespace)}.`,
  );
}

async function connect(settings: TemporalSettings): Promise<Connection> {
  return await patiently(
    settings,
    async () => await Connection.connect({ ...settings.connection, connectTimeout: askMsMax }),
  );
}

async function within<Result>(connection: ConnectionLike, ask: () => Promise<Result>): Promise<Result> {
  return await connection.withDeadline(Date.now() + askMsMax, ask);
}

/** At boot the server may be a moment behind, or slow. */
async function patiently<Result>(settings: TemporalSettings, work: () => Promise<Result>): Promise<Result> {
  const giveUpAt = Date.now() + giveUpAfterMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (isLasting(error)) throw error;
      if (Date.now() > giveUpAt) throw noServer(settings, error);
      await delay(againAfterMs);
    }
  }
}
