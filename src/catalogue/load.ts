import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { type Fault, findContradictions } from './contradictions.ts';
import { type Catalogue, catalogueSchema } from './schema.ts';

/** The catalogue cannot be used; the message names line and field of everything that is wrong with it. */
export class CatalogueError extends Error {
  override name = 'CatalogueError';
}

/** Whether there is an adapter of this kind: the registry's knowledge, which the catalogue does not repeat. */
export type IsProviderKind = (kind: string) => boolean;

const anyKind: IsProviderKind = () => true;

export async function loadCatalogue(path: string, isProviderKind: IsProviderKind = anyKind): Promise<Catalogue> {
  return parseCatalogue(await readFile(path, 'utf8'), { path, isProviderKind });
}

export interface CatalogueSource {
  /** For messages. */
  readonly path: string;
  readonly isProviderKind?: IsProviderKind;
}

/** Parses and validates a catalogue. Throws `CatalogueError` with every fault in it. */
export function parseCatalogue(text: string, { path, isProviderKind = anyKind }: CatalogueSource): Catalogue {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  if (document.errors.length > 0)
    throw new CatalogueError(`${path}: ${document.errors.map(({ message }) => message).join('\n')}`);

  /** A field that is missing has no line: its nearest parent's is the place to write it. */
  const lineOf = (fieldPath: readonly PropertyKey[]): string => {
    const node: unknown = document.getIn(fieldPath, true);
    if (hasRange(node)) return `${path}:${lineCounter.linePos(node.range[0]).line}`;
    return fieldPath.length === 0 ? path : lineOf(fieldPath.slice(0, -1));
  };
  const complain = (faults: readonly Fault[]): never => {
    throw new CatalogueError(
      faults.map(({ path, message }) => `${lineOf(path)}: ${path.join('.')}: ${message}`).join('\n'),
    );
  };

  const parsed = catalogueSchema.safeParse(document.toJS());
  if (!parsed.success) return complain(parsed.error.issues);
  const contradictions = findContradictions(parsed.data, isProviderKind);
  return contradictions.length > 0 ? complain(contradictions) : parsed.data;
}

/** What deserves a look though it is legal: patience that ends before a video usually does. */
export function catalogueWarnings(catalogue: Catalogue): readonly string[] {
  return Object.entries(catalogue.targets)
    .filter(([, target]) => target.patience_seconds.value < target.typical_seconds.value)
    .map(([name]) => `${name}: patience_seconds is below typical_seconds, so most jobs will be sent twice`);
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}
