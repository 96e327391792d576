import { assert } from '../domain/assert.ts';
import { activeModels } from './availability.ts';
import type { Catalogue, CatalogueModel } from './schema.ts';
import type { Complaint, Weighed } from './weigh.ts';
import type { FilledWish, PlanSettings, Refusal } from './wish.ts';

/**
 * One answer for what many targets complain of. The field to change is one whose change alone would do, where there is
 * such a field; what is allowed is what all targets that wait for just that allow together.
 */
export function refusalOf(weighed: readonly Weighed[], wish: FilledWish): Refusal {
  const unfit = weighed.flatMap((result) => (result.kind === 'unfit' ? [result.complaints] : []));
  const alone = unfit.filter((complaints) => complaints.length === 1).flat();
  const complaints = alone.length > 0 ? alone : unfit.flat();
  const [first] = complaints;
  assert(first !== undefined, 'a request was refused that no target complained of');
  const alike = complaints.filter(({ code, pointer }) => code === first.code && pointer === first.pointer);
  const allowed = allowedBy(alike);
  const { code, pointer } = first;
  const message = sentenceOf(first, { alike, wish });
  return { kind: 'refused', pointer, code, message, ...(allowed.length > 0 && { allowed }) };
}

interface Place {
  readonly catalogue: Catalogue;
  readonly settings: PlanSettings;
}

export function modelNotFound(
  { catalogue, settings }: Place,
  { pointer, name }: { readonly pointer: string; readonly name: string },
): Refusal {
  const message = `There is no model called ${JSON.stringify(name.slice(0, 80))}.`;
  const allowed = activeModels(catalogue, settings.providers);
  return { kind: 'refused', pointer, code: 'model_not_found', message, allowed };
}

/** It is in the catalogue, and no provider that could make it has a key here. */
export function modelNotSetUp({ catalogue, settings }: Place, name: string): Refusal {
  const message = `${name} is not set up here: its providers have no key. Choose another model, or ask the operator.`;
  const allowed = activeModels(catalogue, settings.providers);
  return { kind: 'refused', pointer: '/model', code: 'model_unavailable', message, allowed };
}

export interface RetiredModel {
  readonly pointer: string;
  readonly name: string;
  readonly entry: CatalogueModel;
}

export function modelRetired({ pointer, name, entry: { retired, fallbacks } }: RetiredModel): Refusal {
  const message = `${name} is retired since ${retired?.since}: ${retired?.why}.`;
  return { kind: 'refused', pointer, code: 'model_retired', message, allowed: fallbacks };
}

function allowedBy(complaints: readonly Complaint[]): readonly (string | number)[] {
  const values = complaints.flatMap((complaint) => ('allowed' in complaint ? complaint.allowed : []));
  return [...new Set(values)].toSorted((left, right) =>
    typeof left === 'number' && typeof right === 'number' ? left - right : 0,
  );
}

interface Circumstances {
  /** What other targets complain of in the same way. */
  readonly alike: readonly Complaint[];
  readonly wish: FilledWish;
}

function sentenceOf(complaint: Complaint, { alike, wish }: Circumstances): string {
  const { model } = wish.request;
  switch (complaint.code) {
    case 'input_not_supported':
      return `${model} takes no picture. Leave it out, or choose another model.`;
    case 'input_required':
      return `${model} needs a picture. Add input_reference, or choose another model.`;
    case 'value_not_allowed':
      return `${model} can't make this video in ${complaint.pointer === '/size' ? wish.size : `${wish.seconds} s`}.`;
    case 'field_not_supported':
      return `${model} has no ${complaint.pointer.slice(1)}. Leave it out, or choose another model.`;
    case 'text_too_long':
      return `${model} takes a ${complaint.pointer.slice(1)} of up to ${mostChars(alike)} characters.`;
    case 'price_unknown':
      return 'The price of this video is unknown, so no limit on cost can be kept.';
    case 'max_cost_too_low':
      return `This video costs ${leastUsd(alike)} USD or more.`;
  }
}

function mostChars(complaints: readonly Complaint[]): number {
  return Math.max(...complaints.flatMap((complaint) => ('charsMax' in complaint ? [complaint.charsMax] : [])));
}

function leastUsd(complaints: readonly Complaint[]): string {
  const prices = complaints.flatMap((complaint) => ('priceUsdMicros' in complaint ? [complaint.priceUsdMicros] : []));
  return (Math.min(...prices) / 1e6).toFixed(2);
}
