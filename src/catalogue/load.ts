import { readFile } from 'node:fs/promises';
import { LineCounter, parseDocument } from 'yaml';
import { type Catalogue, catalogueSchema } from './schema.ts';

/** The catalogue cannot be used; the message names line and field of everything that is wrong with it. */
export class CatalogueError extends Error {
  override name = 'CatalogueError';
}

export async function loadCatalogue(path: string): Promise<Catalogue> {
  return parseCatalogue(await readFile(path, 'utf8'), path);
}

/** Parses and validates a catalogue. Throws `CatalogueError` with every fault in it. */
export function parseCatalogue(text: string, path: string): Catalogue {
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
  const dangling = danglingNames(parsed.data);
  return dangling.length > 0 ? complain(dangling) : parsed.data;
}

/** What deserves a look though it is legal: patience that ends before a video usually does. */
export function catalogueWarnings(catalogue: Catalogue): readonly string[] {
  return Object.entries(catalogue.targets)
    .filter(([, target]) => target.patience_seconds < target.typical_seconds.value)
    .map(([name]) => `${name}: patience_seconds is below typical_seconds, so most jobs will be sent twice`);
}

interface Fault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

function danglingNames({ models, targets, providers }: Catalogue): readonly Fault[] {
  const faults: Fault[] = [];
  for (const [name, model] of Object.entries(models)) {
    model.targets.forEach((target, index) => {
      if (!Object.hasOwn(targets, target))
        faults.push({ path: ['models', name, 'targets', index], message: `no target is called ${target}` });
    });
    model.fallbacks.forEach((fallback, index) => {
      if (!Object.hasOwn(models, fallback))
        faults.push({ path: ['models', name, 'fallbacks', index], message: `no model is called ${fallback}` });
    });
  }
  for (const [name, target] of Object.entries(targets)) {
    const provider = Object.hasOwn(providers, target.provider) ? providers[target.provider] : undefined;
    if (provider === undefined)
      faults.push({ path: ['targets', name, 'provider'], message: `no provider is called ${target.provider}` });
    else if (!Object.hasOwn(provider.pools, target.pool))
      faults.push({ path: ['targets', name, 'pool'], message: `${target.provider} has no pool ${target.pool}` });
    if (!target.text && !target.image) faults.push({ path: ['targets', name], message: 'needs text, image or both' });
  }
  return faults;
}

function hasRange(node: unknown): node is { range: [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}
