import { once } from 'node:events';
import {
  type ClientHttp2Session,
  connect,
  constants,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { type Authority, createAuthority } from './certificates.ts';

export interface TlsFrontend {
  readonly address: string;
  readonly authority: Authority;
  /** The values of `authorization` that came, each once. */
  readonly authorizations: ReadonlySet<string>;
  /** From now on this one is asked for. */
  require(authorization: string): void;
  /** From now on calls of this service are refused, as Temporal Cloud refuses those to operators. */
  forbid(service: string): void;
  close(): Promise<void>;
}

const codes = { permissionDenied: '7', unauthenticated: '16' } as const;
/** Of a connection alone: the other one has its own. */
const hopHeaders = ['connection', 'host', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];

/**
 * A Temporal frontend as a cloud has one: TLS with a certificate of its own authority, clients that have to show one of
 * theirs, and an API key that is looked at. Behind it is the server of the run, which knows none of it.
 */
export async function startTlsFrontend(backendAddress: string): Promise<TlsFrontend> {
  const authority = createAuthority('authority of tests');
  const { certificate, key } = authority.issue('frontend');
  const backend = connect(`http://${backendAddress}`);
  const authorizations = new Set<string>();
  let required: string | undefined;
  let forbidden: string | undefined;
  const server = createSecureServer({
    cert: certificate,
    key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: true,
  });
  // Clients that are refused break off in many ways.
  server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
  server.on('stream', (stream, headers) => {
    const { authorization } = headers;
    if (authorization !== undefined) authorizations.add(authorization);
    if (required !== undefined && authorization !== required) refuse(stream, 'unauthenticated');
    else if (forbidden !== undefined && headers[':path']?.startsWith(`/${forbidden}/`))
      refuse(stream, 'permissionDenied');
    else pass(stream, headers, backend);
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => void sessions.add(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    address: `localhost:${port}`,
    authority,
    authorizations,
    require: (authorization) => void (required = authorization),
    forbid: (service) => void (forbidden = service),
    async close() {
      for (const session of sessions) session.destroy();
      backend.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function refuse(stream: ServerHttp2Stream, code: keyof typeof codes): void {
  stream.on('error', () => undefined).resume();
  const headers = { 'content-type': 'application/grpc', 'grpc-status': codes[code], 'grpc-message': 'refused' };
  stream.respond({ ':status': 200, ...headers }, { endStream: true });
}

function pass(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, backend: ClientHttp2Session): void {
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.includes(name)));
  const behind = backend.request(sent);
  let trailers: IncomingHttpHeaders = {};
  const end = (): void => {
    behind.close(constants.NGHTTP2_CANCEL);
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  };
  stream.on('error', end).on('aborted', end);
  behind.on('error', end);
  behind.on('trailers', (said) => (trailers = said));
  behind.on('response', (answered, flags) => {
    const isAll = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (stream.destroyed) return;
    stream.respond(answered, isAll ? { endStream: true } : { waitForTrailers: true });
    if (isAll) return;
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    behind.pipe(stream);
  });
  stream.pipe(behind);
}
