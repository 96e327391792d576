import { createHash } from 'node:crypto';

/** What a client has sent, in its own words. */
export interface Wire {
  readonly fetch: typeof fetch;
  readonly sent: readonly string[];
  /** Everything, in a form that stays the same from run to run. */
  told(): string;
}

/** Stands in for `fetch`, writes down what is sent, and sends it. */
export function recordWire(): Wire {
  const sent: string[] = [];
  const names = new Map<string, string>();
  return {
    sent,
    async fetch(input, init) {
      const request = new Request(input, init);
      // How the package finds out whether forms can be sent.
      if (request.url.startsWith('data:')) return await fetch(request);
      sent.push(await describe(request.clone()));
      return await fetch(request);
    },
    told: () => sent.join('\n\n').replaceAll(/video_[0-9a-f-]{36}/g, (id) => nameOf(names, id)) + '\n',
  };
}

function nameOf(names: Map<string, string>, id: string): string {
  const name = names.get(id) ?? `<video ${names.size + 1}>`;
  names.set(id, name);
  return name;
}

/** Headers that differ between machines and releases say nothing about the protocol. */
const told = ['accept', 'authorization', 'content-type', 'idempotency-key', 'x-stainless-retry-count'];

async function describe(request: Request): Promise<string> {
  const { pathname, search } = new URL(request.url);
  const headers = told.flatMap((name) => {
    const value = request.headers.get(name);
    return value === null ? [] : [`${name}: ${withoutVariable(value)}`];
  });
  return [`${request.method} ${pathname}${search}`, ...headers, ...(await bodyOf(request))].join('\n');
}

function withoutVariable(value: string): string {
  return value.replace(/boundary=.*/, 'boundary=<boundary>').replace(/^Bearer .*/, 'Bearer <key>');
}

async function bodyOf(request: Request): Promise<readonly string[]> {
  const type = request.headers.get('content-type') ?? '';
  if (!type.startsWith('multipart/form-data')) {
    const text = await request.text();
    return text === '' ? [] : ['', text];
  }
  const parts = [...(await request.formData())].map(async ([name, value]) => {
    if (typeof value === 'string')
      return `${name} = ${value.length > 100 ? `${value.slice(0, 40)}… (${value.length})` : value}`;
    const digest = createHash('sha256')
      .update(Buffer.from(await value.arrayBuffer()))
      .digest('hex')
      .slice(0, 8);
    return `${name} = file ${value.name}, ${value.type}, ${value.size} bytes, ${digest}`;
  });
  return ['', ...(await Promise.all(parts))];
}
