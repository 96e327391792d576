import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { openApiDocument } from '../../src/api/openapi/document.ts';

/** Compares every answer of the API with what its document says, whoever asked for it. */
export interface ContractCheck {
  /** Stands around the handler of the API, and sees what it answers. */
  readonly around: (handler: RequestListener) => RequestListener;
  /** Throws what did not fit, a line each. */
  readonly expectFit: () => void;
}

type Headers = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  /** Undefined: nobody has looked. */
  readonly body?: string | undefined;
}

export function createContractCheck(): ContractCheck {
  const violations: string[] = [];
  return {
    expectFit() {
      if (violations.length === 0) return;
      const lines = [...new Set(violations)].slice(0, 20).join('\n');
      throw new Error(`Answers that do not fit the OpenAPI document; see src/api/openapi:\n${lines}`);
    },
    around: (handler) => (request, response) => {
      watch(request, response, (seen) => {
        const said = faultOf(seen);
        if (said !== undefined) violations.push(`${seen.method} ${seen.path} ${seen.status}: ${said}`);
      });
      handler(request, response);
    },
  };
}

/** What does not fit between an answer and the document. Undefined: everything does. */
export function faultOf(seen: Seen): string | undefined {
  const type = typeOf(seen.headers);
  // Whatever has no operation of its own: an unknown path or method, which are refused in one way.
  const operation = operationOf(seen);
  if (operation === undefined) return isUndocumented(seen) ? undefined : faultOfStranger(seen, type);
  const answer = operation.responses[String(seen.status)];
  if (answer === undefined) return `the document knows no such status of ${operation.operationId}`;
  const missing = Object.keys(answer.headers ?? {}).find(
    (name) => isRequired(name) && seen.headers[name.toLowerCase()] === undefined,
  );
  if (missing !== undefined) return `the header ${missing} is missing`;
  if (seen.method === 'HEAD' || seen.status === 304) return undefined;
  if (answer.content === undefined) return type === '' ? undefined : `a body of ${type} where the document has none`;
  if (!(type in answer.content)) return `the document knows no ${type || 'empty body'} here`;
  const parts = [operation.path, operation.method, 'responses', String(seen.status), 'content', type, 'schema'];
  return isJson(type) && seen.body !== undefined ? faultOfBody(parts, seen.body) : undefined;
}

function faultOfStranger({ status, body }: Seen, type: string): string | undefined {
  if (![400, 401, 403, 404, 405, 429, 503].includes(status)) return 'the document knows no such call';
  if (type !== 'application/problem+json') return `a problem of the type ${type}`;
  return body === undefined || body === '' ? undefined : faultOfBody(problem, body);
}

/** By intent: what providers call, what browsers ask before a call, and what makes up the pages. */
function isUndocumented({ method, path }: Seen): boolean {
  return method === 'OPTIONS' || path.startsWith('/v1/callbacks/') || path === '/' || /^\/(docs|page)\/./.test(path);
}

interface FoundOperation {
  readonly path: string;
  readonly method: string;
  readonly operationId: string;
  readonly responses: Readonly<Record<string, DocumentedAnswer>>;
}

interface DocumentedAnswer {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Readonly<Record<string, unknown>>;
}

const document = closed(structuredClone(openApiDocument()));
const paths: Readonly<Record<string, Readonly<Record<string, Omit<FoundOperation, 'path' | 'method'>>>>> = JSON.parse(
  JSON.stringify(document.paths ?? {}),
);
const patterns = Object.keys(paths)
  // The one without a parameter comes first.
  .toSorted((left, right) => left.split('{').length - right.split('{').length)
  .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`, 'i') }));

function operationOf({ method, path }: Seen): FoundOperation | undefined {
  const verb = method === 'HEAD' ? 'get' : method.toLowerCase();
  const found = patterns.find((one) => one.pattern.test(path) && paths[one.path]?.[verb] !== undefined)?.path;
  const operation = found === undefined ? undefined : paths[found]?.[verb];
  return found === undefined || operation === undefined ? undefined : { ...operation, path: found, method: verb };
}

function isRequired(name: string): boolean {
  const header = document.components?.headers?.[name];
  return header !== undefined && 'required' in header && (header.required ?? false);
}

const problem = ['/problems/{code}', 'get', 'responses', '404', 'content', 'application/problem+json', 'schema'];
const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
formats.default(ajv);
ajv.addSchema(document, 'openapi.json');
const validators = new Map<string, ValidateFunction>();

function faultOfBody(parts: readonly string[], body: string): string | undefined {
  const pointer = ['paths', ...parts].map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1')).join('/');
  const validate =
    validators.get(pointer) ?? ajv.compile({ $ref: `openapi.json#/${encodeURI(pointer).replaceAll('+', '%2B')}` });
  validators.set(pointer, validate);
  return validate(JSON.parse(body)) ? undefined : `${ajv.errorsText(validate.errors)} in ${body.slice(0, 1_000)}`;
}

/** What does not fit between a message of a stream and the schema that the document has for it. */
export function faultOfMessage(schema: 'Video' | 'JobEvent' | 'TenantEvent' | 'StreamMessage', message: unknown) {
  const pointer = `components/schemas/${schema}`;
  const validate = validators.get(pointer) ?? ajv.compile({ $ref: `openapi.json#/${pointer}` });
  validators.set(pointer, validate);
  if (validate(message)) return undefined;
  return `no ${schema}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(message).slice(0, 1_000)}`;
}

function isJson(type: string): boolean {
  return type === 'application/json' || type === 'application/problem+json';
}

/** Whatever reads answers has to live with fields that it does not know; a test of ours has to find them. */
function closed<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) closed(member);
  if ('properties' in value && 'type' in value && value.type === 'object' && !('additionalProperties' in value))
    Object.assign(value, { additionalProperties: false });
  return value;
}

function typeOf(headers: Headers): string {
  return headers['content-type']?.toString().split(';')[0] ?? '';
}

const watched = ['write', 'end'] as const;

/** Tells what was answered once it is out. Bodies that are not JSON, or endless, are not looked at. */
function watch(request: IncomingMessage, response: ServerResponse, tell: (seen: Seen) => void): void {
  const chunks: Buffer[] = [];
  let written: Headers = {};
  const headers = (): Headers => ({ ...response.getHeaders(), ...written });
  before(response, 'writeHead', (parameters) => {
    const given = parameters.findLast((one) => typeof one === 'object' && one !== null);
    written = lowerCased(given ?? {});
  });
  for (const name of watched)
    before(response, name, ([chunk]) => {
      if (!isJson(typeOf(headers()))) return;
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
    });
  response.once('finish', () => {
    const [path = ''] = (request.url ?? '').split('?');
    const body = isJson(typeOf(headers())) ? Buffer.concat(chunks).toString() : undefined;
    tell({ method: request.method ?? '', path, status: response.statusCode, headers: headers(), body });
  });
}

/** Looks at what a method is called with, and calls it. */
// oxlint-disable-next-line max-params -- the object and the name of its method are one thing.
function before(
  response: ServerResponse,
  name: 'writeHead' | 'write' | 'end',
  look: (values: unknown[]) => void,
): void {
  const method: unknown = Reflect.get(response, name);
  if (typeof method !== 'function') return;
  Reflect.set(response, name, (...values: unknown[]): unknown => {
    look(values);
    return Reflect.apply(method, response, values);
  });
}

function lowerCased(headers: object): Headers {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
}
