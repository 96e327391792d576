import { faultPlanSchema, type Fault, type FaultPlan, type FaultRule } from './fault.ts';
import { parseMarkers, type FaultMarker } from './fault-marker.ts';
import { randomFor } from './random.ts';
import type { VendorName } from './vendor-name.ts';

interface Target {
  readonly vendor: VendorName;
  readonly model: string;
  readonly prompt: string;
  /** The how-manieth submit to this vendor it is; the plan's luck is keyed on both. */
  readonly ordinal: number;
}

export interface FaultChooser {
  /** The faults this submit meets: what its prompt asks for, then what the plan draws. Uses up `times`. */
  choose(target: Target): readonly Fault[];
  replacePlan(plan: FaultPlan): void;
}

export function createFaultChooser(seed: number | string, plan: FaultPlan): FaultChooser {
  let rules = armRules(plan);
  const struck = new Map<string, number>();
  return {
    choose: (target) => [
      ...markersFor(target)
        .filter((marker) => strikes(struck, marker, target.prompt))
        .map(({ fault }) => fault),
      ...rules
        .filter((rule, index) => ruleStrikes(rule, target, drawFor(seed, index, target)))
        .map(({ fault }) => fault),
    ],
    replacePlan: (next) => {
      rules = armRules(next);
    },
  };
}

type ArmedRule = FaultRule & { left: number };

function armRules(plan: FaultPlan): ArmedRule[] {
  return faultPlanSchema.parse(plan).map((rule) => ({ ...rule, left: rule.times ?? Infinity }));
}

function drawFor(seed: number | string, index: number, { vendor, ordinal }: Target): number {
  return randomFor(seed, 'fault', vendor, index, ordinal)();
}

function ruleStrikes(rule: ArmedRule, { vendor, model }: Target, draw: number): boolean {
  if (rule.left <= 0 || draw >= rule.share) return false;
  if ((rule.vendor ?? vendor) !== vendor || !model.includes(rule.model ?? '')) return false;
  rule.left -= 1;
  return true;
}

function markersFor({ prompt, vendor, model }: Target): readonly FaultMarker[] {
  const parsed = parseMarkers(prompt);
  const place = `${vendor}/${model}`;
  return parsed.kind === 'markers' ? parsed.markers.filter((marker) => place.includes(marker.place ?? '')) : [];
}

/** `*n` counts the submits of this very prompt that the marker concerns. */
function strikes(struck: Map<string, number>, marker: FaultMarker, prompt: string): boolean {
  if (marker.times === undefined) return true;
  const key = `${marker.text}\u0000${prompt}`;
  const before = struck.get(key) ?? 0;
  struck.set(key, before + 1);
  return before < marker.times;
}
