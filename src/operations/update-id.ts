import { hash } from 'node:crypto';
import type { Repair } from './repair.ts';

const digestCharsKept = 16;

export interface AskedRepair {
  readonly repair: Repair;
  /** The id that it is asked for under, without blanks at its end. */
  readonly request: string;
}

/**
 * The id of the update. What is wished for is a part of it: Temporal answers whoever repeats an id with what came of the first
 * one, whatever is asked for now. Who does it and why is not.
 */
export function updateIdOf(asked: AskedRepair): string {
  const { by: _by, reason: _reason, ...wish } = asked.repair.order;
  const wished = Object.entries(wish)
    .filter(([, value]) => value !== false)
    .toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `${beginOfUpdateId(asked)}${hash('sha256', JSON.stringify(wished)).slice(0, digestCharsKept)}`;
}

/** What all wishes under one id have in common. */
export function beginOfUpdateId({ repair, request }: AskedRepair): string {
  return `${repair.name} ${request} `;
}
