import { type FlowKey, type Lane, type TenantShare, weightOf } from './lanes.ts';

/** A flow as far as it is charged. */
export interface TaggedFlow extends FlowKey {
  readonly weight: number;
  /** Its start tag: the virtual time from which on it is served next. */
  readonly tag: number;
  /** The start tag of the next flow of its tenant that comes, or waits on after it was served. */
  readonly tenantTag: number;
}

/** A flow by its keys: its own, whatever the target, and its tenant's in its class. */
export interface KeyedFlow {
  readonly flow: TaggedFlow;
  readonly key: string;
  readonly tenantKey: string;
}

export function keysOf({ class: index, tenant, caller }: FlowKey): Omit<KeyedFlow, 'flow'> {
  return { key: JSON.stringify([index, tenant, caller]), tenantKey: JSON.stringify([index, tenant]) };
}

/** What classes, tenants and flows are charged as they are served: the one rule of it. */
export interface Tab {
  /** Charges one that is served. `waitsOn`: more of the flow waits behind it, so it takes the tenant's next turn. */
  charge(keyed: KeyedFlow, waitsOn: boolean): void;
  /** The start tag of a flow as it stands now. */
  tagOf(keyed: KeyedFlow): number;
  lanes(): readonly Lane[];
  shares(): readonly TenantShare[];
}

export function openTab(given: readonly Lane[]): Tab {
  const lanes = new Map(given.map((lane) => [lane.class, lane]));
  const tags = new Map<string, number>();
  const shares = new Map<string, TenantShare>();
  const tagOf = ({ flow, key }: KeyedFlow): number => tags.get(key) ?? flow.tag;
  return {
    tagOf,
    charge(keyed, waitsOn) {
      const { flow, key, tenantKey } = keyed;
      const { class: index, tenant, weight, tenantTag } = flow;
      const lane = lanes.get(index);
      if (lane === undefined) return;
      // Who could not be served for a while, because of its target, comes first once, and is charged from now on.
      const tag = Math.max(tagOf(keyed), lane.tag);
      lanes.set(index, { ...lane, virtualTime: lane.virtualTime + 1 / weightOf(index), tag });
      const turn = 1 / weight;
      const next = Math.max(shares.get(tenantKey)?.tag ?? tenantTag, tag + turn);
      tags.set(key, next);
      shares.set(tenantKey, { class: index, tenant, tag: waitsOn ? next + turn : next });
    },
    lanes: () => [...lanes.values()],
    shares: () => [...shares.values()],
  };
}
