import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority extends Identity {
  /** For `localhost` and 127.0.0.1, as a server or as a client. */
  issue(name: string): Identity;
}

/** A certificate authority of a test's own, made anew each time: no key lies in the repository, and none runs out. */
export function createAuthority(name: string): Authority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const identityOf = (subject: string, { publicKey, privateKey }: typeof keys): Identity => ({
    certificate: pem(
      'CERTIFICATE',
      certify({ subject, issuer: name, publicKey, isAuthority: subject === name }, keys.privateKey),
    ),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  return {
    ...identityOf(name, keys),
    issue: (subject) => identityOf(subject, generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  };
}

interface Certificate {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly isAuthority: boolean;
}

const tags = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;
/** DER of `ecdsa-with-SHA256`, and of what a name and the extensions are called. */
const oids = {
  ecdsa: '2a8648ce3d040302',
  commonName: '550403',
  basicConstraints: '551d13',
  alternativeNames: '551d11',
} as const;

/** X.509 version 3 (RFC 5280), as little of it as TLS asks for. */
function certify({ subject, issuer, publicKey, isAuthority }: Certificate, issuerKey: KeyObject): Buffer {
  const algorithm = sequence(oid(oids.ecdsa));
  const now = Date.now();
  const body = sequence(
    der(0xa0, der(tags.integer, Buffer.from([2]))),
    der(tags.integer, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuer),
    sequence(time(now - 3_600_000), time(now + 86_400_000)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions(isAuthority))),
  );
  const signature = sign('sha256', body, issuerKey);
  return sequence(body, algorithm, der(tags.bits, Buffer.concat([Buffer.from([0]), signature])));
}

function extensions(isAuthority: boolean): readonly Buffer[] {
  const constraints = isAuthority ? sequence(der(tags.boolean, Buffer.from([0xff]))) : sequence();
  const names = sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])));
  return [
    sequence(oid(oids.basicConstraints), der(tags.boolean, Buffer.from([0xff])), der(tags.octets, constraints)),
    sequence(oid(oids.alternativeNames), der(tags.octets, names)),
  ];
}

function nameOf(text: string): Buffer {
  return sequence(der(tags.set, sequence(oid(oids.commonName), der(tags.utf8, Buffer.from(text)))));
}

function time(at: number): Buffer {
  const text = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(tags.utcTime, Buffer.from(text.slice(2)));
}

function oid(hex: string): Buffer {
  return der(tags.oid, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(tags.sequence, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
