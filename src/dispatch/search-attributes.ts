import { defineSearchAttributeKey, type SearchAttributePair, TypedSearchAttributes } from '@temporalio/common';
import { type JobSearchAttributes, searchAttributeTypes } from '../contracts/search-attributes.ts';

/** As a start takes them. What is absent, or null, is not set. */
export function typedSearchAttributes(attributes: JobSearchAttributes): TypedSearchAttributes {
  const values = new Map<string, unknown>(Object.entries(attributes));
  const pairs = Object.keys(searchAttributeTypes).flatMap((name): SearchAttributePair[] => {
    const value = values.get(name);
    return typeof value === 'string' ? [{ key: defineSearchAttributeKey<'KEYWORD'>(name, 'KEYWORD'), value }] : [];
  });
  return new TypedSearchAttributes(pairs);
}
