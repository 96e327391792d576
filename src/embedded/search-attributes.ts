import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '@temporalio/client';

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
const invalidArgumentCode = 3;

/**
 * Registers the attributes the server lacks. `start-dev` does so itself, but only when it creates the database: one
 * added by a newer version of ours would be missing on an older file, and a missing one fails every start. Returns once
 * they may be used, or fails at the deadline of the connection.
 */
export async function addSearchAttributes(connection: Connection, wanted: SearchAttributes): Promise<void> {
  const namespace = 'default';
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(wanted).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, typeNumbers[type]]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  while (!(await areKnown(connection, { namespace, names: Object.keys(searchAttributes) }))) await sleep(pollMs);
}

/** Each service learns of new ones with its next look at the namespace; until then a start that has them is refused. */
async function areKnown(
  { workflowService }: Connection,
  { namespace, names }: { readonly namespace: string; readonly names: readonly string[] },
): Promise<boolean> {
  const query = names.map((name) => `${name} IS NULL`).join(' AND ');
  try {
    await workflowService.countWorkflowExecutions({ namespace, query });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === invalidArgumentCode) return false;
    throw error;
  }
}
