import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionLike } from '@temporalio/client';

type SearchAttributeType = 'Text' | 'Keyword' | 'Int' | 'Double' | 'Bool' | 'Datetime' | 'KeywordList';
export type SearchAttributes = Readonly<Record<string, SearchAttributeType>>;

/** As numbered in `temporal.api.enums.v1.IndexedValueType`. */
const typeNumbers: Record<SearchAttributeType, number> = {
  Text: 1,
  Keyword: 2,
  Int: 3,
  Double: 4,
  Bool: 5,
  Datetime: 6,
  KeywordList: 7,
};

const pollMs = 50;
const codes = {
  invalidArgument: 3,
  alreadyExists: 6,
  permissionDenied: 7,
  unimplemented: 12,
  unauthenticated: 16,
} as const;

/**
 * Registers the attributes the server lacks. `start-dev` does so itself, but only when it creates the database: one
 * added by a newer version of ours would be missing on an older file, and a missing one fails every start. Returns once
 * they may be used, or fails at the deadline of the connection.
 */
export async function addSearchAttributes(
  connection: ConnectionLike,
  wanted: SearchAttributes,
  namespace = 'default',
): Promise<void> {
  const missing = await findMissingAttributes(connection, wanted, namespace);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, typeNumbers[wanted[name] ?? 'Keyword']]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  while (!(await areKnown(connection, { namespace, names: missing }))) await sleep(pollMs);
}

/**
 * Those the namespace lacks, or has as another type. Where the list is kept from us, as Temporal Cloud and many an
 * authoriser do, a query that names them tells as well.
 */
export async function findMissingAttributes(
  connection: ConnectionLike,
  wanted: SearchAttributes,
  namespace: string,
): Promise<readonly string[]> {
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.entries(wanted).flatMap(([name, type]) =>
      Number(customAttributes[name]) === typeNumbers[type] ? [] : name,
    );
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const missing: string[] = [];
    for (const name of Object.keys(wanted))
      if (!(await areKnown(connection, { namespace, names: [name] }))) missing.push(name);
    return missing;
  }
}

/** Whether the server keeps a call from this client, rather than failing at it. */
function isRefusal(error: unknown): boolean {
  return [codes.permissionDenied, codes.unimplemented, codes.unauthenticated].some((code) => codeOf(error) === code);
}

/** Whether to ask again would get the same answer: a refusal, or an attribute that is there with another type. */
export function isLasting(error: unknown): boolean {
  return isRefusal(error) || [codes.invalidArgument, codes.alreadyExists].some((code) => codeOf(error) === code);
}

/** Each service learns of new ones with its next look at the namespace; until then a start that has them is refused. */
async function areKnown(
  { workflowService }: ConnectionLike,
  { namespace, names }: { readonly namespace: string; readonly names: readonly string[] },
): Promise<boolean> {
  const query = names.map((name) => `${name} IS NULL`).join(' AND ');
  try {
    await workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch (error) {
    if (codeOf(error) === codes.invalidArgument) return false;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
