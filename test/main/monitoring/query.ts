import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';
import { familyOf } from './exposition.ts';

/** A label that a query asks of a metric, and the values that it asks for: none where it groups by it. */
export interface AskedLabel {
  readonly name: string;
  readonly values: readonly string[];
}

/** A metric of a query, by the name of its family, and as it stands there. */
export interface Asked {
  readonly metric: string;
  readonly name: string;
  readonly labels: readonly AskedLabel[];
}

type Families = ReadonlyMap<string, { readonly type: string }>;

export function hasErrors(query: string): boolean {
  let found = false;
  parser.parse(query).iterate({ enter: ({ type }) => void (found ||= type.isError) });
  return found;
}

/** What a query asks for: each selector with its matchers, and with the labels that are grouped by around it. */
export function readQuery(query: string, families: Families): readonly Asked[] {
  const asked: Asked[] = [];
  parser.parse(query).iterate({
    enter({ name: type, node }) {
      if (type !== 'VectorSelector') return;
      const name = textOf(node.getChild('Identifier'));
      const labels = [...matchersOf(node), ...groupingsAround(node)];
      asked.push({ metric: familyOf(name, families), name, labels });
    },
  });
  return asked;

  function textOf(node: SyntaxNode | null): string {
    return node === null ? '' : query.slice(node.from, node.to);
  }

  function matchersOf(selector: SyntaxNode): readonly AskedLabel[] {
    const matchers = selector.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
    return matchers.map((matcher) => ({
      name: textOf(matcher.getChild('LabelName')),
      values: textOf(matcher.getChild('StringLiteral')).slice(1, -1).split('|'),
    }));
  }

  /** The innermost aggregation decides which labels there are; those further out can only name labels of it. */
  function groupingsAround(selector: SyntaxNode): readonly AskedLabel[] {
    const labels: AskedLabel[] = [];
    for (let node = selector.parent; node !== null; node = node.parent)
      for (const label of node.getChild('AggregateModifier')?.getChild('GroupingLabels')?.getChildren('LabelName') ??
        [])
        labels.push({ name: textOf(label), values: [] });
    return labels;
  }
}

/** Labels that an aggregation names, though one inside of it has dropped them: the series of both would be one. */
export function droppedLabels(query: string): readonly string[] {
  const dropped: string[] = [];
  parser.parse(query).iterate({
    enter({ name: type, node }) {
      if (type !== 'AggregateExpr') return;
      const kept = labelsOf(node);
      for (let outer = node.parent; outer !== null; outer = outer.parent)
        if (outer.name === 'AggregateExpr') dropped.push(...labelsOf(outer).filter((label) => !kept.includes(label)));
    },
  });
  return dropped;

  function labelsOf(node: SyntaxNode): readonly string[] {
    const labels = node.getChild('AggregateModifier')?.getChild('GroupingLabels')?.getChildren('LabelName') ?? [];
    return labels.map(({ from, to }) => query.slice(from, to));
  }
}
