import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as send, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/**
 * What moto leaves out: a door in front of it that lets only those requests in whose Signature Version 4 is right, whether
 * it is in the header or in the URL, and whose bytes are those that were signed. Written from the specification and not
 * with the SDK's signer, since that one is what it examines.
 */
export interface SignatureGate {
  readonly port: number;
  /** Why requests were turned away, in order. */
  readonly refused: readonly string[];
  /** From now on, one bit of every body changes on its way. */
  damage(): void;
  stop(): Promise<void>;
}

export interface GateSettings {
  readonly endpoint: string;
  readonly secretAccessKey: string;
  /** Milliseconds that its clock is ahead. */
  readonly aheadMs?: () => number;
}

export async function startSignatureGate(settings: GateSettings): Promise<SignatureGate> {
  const refused: string[] = [];
  let damaging = false;
  const server = createServer((request, response) => {
    void (async () => {
      const sent = await buffer(request);
      if (damaging && sent.length > 0) sent[0] = (sent[0] ?? 0) ^ 1;
      const now = Date.now() + (settings.aheadMs?.() ?? 0);
      const reason = refusalOf(request, { body: sent, secret: settings.secretAccessKey, now });
      if (reason === undefined) return await forward(request, response, { to: settings.endpoint, body: sent });
      refused.push(reason);
      response.writeHead(reason === 'XAmzContentSHA256Mismatch' ? 400 : 403, { 'content-type': 'application/xml' });
      response.end(`<Error><Code>${reason}</Code></Error>`);
    })().catch(() => response.destroy());
  });
  server.listen(0);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    port: address.port,
    refused,
    damage: () => (damaging = true),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Examination {
  readonly body: Buffer;
  readonly secret: string;
  readonly now: number;
}

function refusalOf(request: IncomingMessage, { body, secret, now }: Examination): string | undefined {
  const url = new URL(request.url ?? '', 'http://gate');
  const claim = claimInHeader(request) ?? claimInUrl(url);
  if (!claim) return 'AccessDenied';
  const [, date = '', region = '', service = ''] = claim.credential.split('/');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const key = ['aws4_request', service, region, date].reduceRight<string | Buffer>(
    (key, part) => hmac(key, part),
    `AWS4${secret}`,
  );
  const text = ['AWS4-HMAC-SHA256', claim.time, scope, sha256(canonical(request, url, claim))].join('\n');
  if (hmac(key, text).toString('hex') !== claim.signature) return 'SignatureDoesNotMatch';
  if (now > timeOf(claim.time) + claim.secondsValid * 1_000) return 'Expired';
  if (claim.payload !== 'UNSIGNED-PAYLOAD' && claim.payload !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  return undefined;
}

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly time: string;
  readonly secondsValid: number;
  readonly payload: string;
}

function claimInHeader({ headers }: IncomingMessage): Claim | undefined {
  const pattern = /^AWS4-HMAC-SHA256 Credential=(\S+), SignedHeaders=(\S+), Signature=(\S+)$/;
  const [, credential, signedHeaders, signature] = pattern.exec(headers.authorization ?? '') ?? [];
  if (credential === undefined || signedHeaders === undefined || signature === undefined) return undefined;
  const time = String(headers['x-amz-date']);
  return {
    credential,
    signedHeaders,
    signature,
    time,
    secondsValid: 900,
    payload: String(headers['x-amz-content-sha256']),
  };
}

function claimInUrl({ searchParams }: URL): Claim | undefined {
  const signature = searchParams.get('X-Amz-Signature');
  if (signature === null) return undefined;
  const of = (name: string): string => searchParams.get(`X-Amz-${name}`) ?? '';
  return {
    credential: of('Credential'),
    signedHeaders: of('SignedHeaders'),
    signature,
    time: of('Date'),
    secondsValid: Number(of('Expires')),
    payload: 'UNSIGNED-PAYLOAD',
  };
}

function canonical(request: IncomingMessage, url: URL, claim: Claim): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join('&');
  const path = url.pathname
    .split('/')
    .map((segment) => encode(decodeURIComponent(segment)))
    .join('/');
  const names = claim.signedHeaders.split(';');
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`).join('');
  return [request.method, path, query, headers, claim.signedHeaders, claim.payload].join('\n');
}

function timeOf(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  { to, body }: { readonly to: string; readonly body: Buffer },
): Promise<void> {
  const { method = 'GET', headers } = request;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    send(new URL(request.url ?? '', to), { method, headers }, resolve)
      .on('error', reject)
      .end(body);
  });
  response.writeHead(answer.statusCode ?? 502, answer.headers);
  await pipeline(answer, response);
}
