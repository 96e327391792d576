import type { Field, Inputs, Model } from './model.ts';

export interface InvalidInput {
  readonly kind: 'missing' | 'invalid';
  /** Absent when it is not about one field. */
  readonly field?: string;
  readonly message: string;
}

/** Like the vendors it ignores fields it does not know, and is strict about those it does: `"5"` is not 5. */
export function validateInputs(model: Model, inputs: Inputs): InvalidInput | undefined {
  const missing = model.required.find((name) => inputs[name] === undefined || inputs[name] === '');
  if (missing) return { kind: 'missing', field: missing, message: 'is required' };
  for (const [name, field] of Object.entries(model.fields)) {
    const value = inputs[name];
    const complaint = value === undefined ? undefined : complain(field, value);
    if (complaint) return { kind: 'invalid', field: name, message: complaint };
  }
  return undefined;
}

function complain(field: Field, value: unknown): string | undefined {
  switch (field.type) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be a boolean';
    case 'media':
      return isMedia(value) ? undefined : 'must be an http(s) or data URL';
    case 'string':
      return complainOfText(field, value);
    case 'integer':
    case 'number':
    default:
      return complainOfNumber(field, value);
  }
}

function complainOfText(field: Extract<Field, { type: 'string' }>, value: unknown): string | undefined {
  if (typeof value !== 'string') return 'must be a string';
  if (field.enum && !field.enum.includes(value)) return `must be one of ${field.enum.join(', ')}`;
  return value.length > (field.charsMax ?? Infinity) ? `must have at most ${field.charsMax} characters` : undefined;
}

function complainOfNumber(field: Extract<Field, { type: 'integer' | 'number' }>, value: unknown): string | undefined {
  if (typeof value !== 'number') return `must be a ${field.type}`;
  if (field.type === 'integer' && !Number.isInteger(value)) return 'must be an integer';
  if ('enum' in field && !field.enum?.includes(value)) return `must be one of ${field.enum?.join(', ')}`;
  const { min = -Infinity, max = Infinity } = field;
  return value < min || value > max ? `must be between ${min} and ${max}` : undefined;
}

function isMedia(value: unknown): boolean {
  return typeof value === 'string' && /^(https?:\/\/|data:)/.test(value);
}
