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

/**
 * Registers the attributes the server lacks. `start-dev` does so itself, but only when it creates the database: one
 * added by a newer version of ours would be missing on an older file, and a missing one fails every start.
 */
export async function addSearchAttributes(connection: Connection, wanted: SearchAttributes): Promise<void> {
  const namespace = 'default';
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(wanted).filter(([name]) => !(name in customAttributes));
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, typeNumbers[type]]));
  await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}
