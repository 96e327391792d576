import { parseFault, type Fault } from './fault.ts';

/** A fault asked for in a prompt: `[sim:<kind>]`, with `@<part of vendor/model-id>`, `*<times>` and `=<value>` at will. */
export interface FaultMarker {
  readonly text: string;
  readonly fault: Fault;
  readonly place?: string;
  readonly times?: number;
}

export type ParsedMarkers =
  | { readonly kind: 'markers'; readonly markers: readonly FaultMarker[] }
  | { readonly kind: 'unreadable'; readonly text: string };

/** A marker nobody understands is an error: a test that thinks it injects a fault must not pass without it. */
export function parseMarkers(prompt: string): ParsedMarkers {
  const markers: FaultMarker[] = [];
  for (const [text, content] of prompt.matchAll(/\[sim:([^\]]*)\]/g)) {
    const marker = parseMarker(text, content ?? '');
    if (!marker) return { kind: 'unreadable', text };
    markers.push(marker);
  }
  return { kind: 'markers', markers };
}

function parseMarker(text: string, content: string): FaultMarker | undefined {
  const [, head = '', value] = /^([^=]*)(?:=(.*))?$/.exec(content.trim()) ?? [];
  const [, kind = '', conditions] = /^([a-z0-9-]+)((?:[@*][^@*]+)*)$/.exec(head) ?? [];
  const fault = parseFault(kind, value);
  const place = /@([^@*]+)/.exec(conditions ?? '')?.[1];
  const times = /\*([^@*]+)/.exec(conditions ?? '')?.[1];
  if (!fault || (times !== undefined && !/^[1-9]\d*$/.test(times))) return undefined;
  return { text, fault, ...(place && { place }), ...(times && { times: Number(times) }) };
}
