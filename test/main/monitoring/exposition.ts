/** What a process tells of one metric: its type, and its labels with the values that were seen. */
export interface Told {
  readonly type: string;
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
  readonly samples: number;
}

interface Telling {
  readonly type: string;
  readonly labels: Map<string, Set<string>>;
  samples: number;
}

/** The metrics of some scrapes, by the names of their families: a histogram is one, and not three. */
export function readExposition(...texts: readonly string[]): ReadonlyMap<string, Told> {
  const told = new Map<string, Telling>();
  for (const line of texts.join('\n').split('\n')) {
    const [, named, type = ''] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (named !== undefined && !told.has(named)) told.set(named, { type, labels: new Map(), samples: 0 });
    const [, name = '', labels = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+/.exec(line) ?? [];
    const family = told.get(familyOf(name, told));
    if (family === undefined) continue;
    family.samples += 1;
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      family.labels.set(label, (family.labels.get(label) ?? new Set()).add(value));
  }
  return told;
}

const partsOfHistograms = /_(?:bucket|sum|count)$/;

/** `_bucket`, `_sum` and `_count` are a histogram's only where there is a histogram of the name before them. */
export function familyOf(name: string, families: ReadonlyMap<string, { readonly type: string }>): string {
  const family = name.replace(partsOfHistograms, '');
  return family !== name && families.get(family)?.type === 'histogram' ? family : name;
}
