import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type AnySchemaObject } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

/** What a vendored schema finds wrong with a document, a line each. `test/deploy/schemas/README.md` says where they are from. */
export type Check = (document: unknown) => readonly string[];

export function readSchema(name: string): AnySchemaObject {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'schemas', name), 'utf8'));
}

export function checkAgainst(schema: AnySchemaObject): Check {
  const settings = { allErrors: true, strict: false, allowUnionTypes: true };
  const ajv = String(schema['$schema']).includes('2020-12') ? new Ajv2020(settings) : new Ajv(settings);
  addFormats.default(ajv);
  const validate = ajv.compile(schema);
  return (document) =>
    validate(document)
      ? []
      : (validate.errors ?? []).map(
          ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
        );
}
