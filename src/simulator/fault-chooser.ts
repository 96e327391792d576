import { faultPlanSchema, type Fault, type FaultPlan, type FaultRule } from './fault.ts';
import { parseMarkers, type FaultMarker } from './fault-marker.ts';
import { randomFor } from './random.ts';

interface Target {
  readonly model: string;
  readonly prompt: string;
  /** The how-manieth submit this is; the plan's luck is keyed on it. */
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
        .filter((rule, index) => ruleStrikes(rule, target, randomFor(seed, 'fault', index, target.ordinal)()))
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

function ruleStrikes(rule: ArmedRule, target: Target, draw: number): boolean {
  if (rule.left <= 0 || !target.model.includes(rule.model ?? '') || draw >= rule.share) return false;
  rule.left -= 1;
  return true;
}

function markersFor({ prompt, model }: Target): readonly FaultMarker[] {
  const parsed = parseMarkers(prompt);
  return parsed.kind === 'markers' ? parsed.markers.filter((marker) => model.includes(marker.model ?? '')) : [];
}

/** `*n` counts the submits of this very prompt that the marker concerns. */
function strikes(struck: Map<string, number>, marker: FaultMarker, prompt: string): boolean {
  if (marker.times === undefined) return true;
  const key = `${marker.text}\u0000${prompt}`;
  const before = struck.get(key) ?? 0;
  struck.set(key, before + 1);
  return before < marker.times;
}
