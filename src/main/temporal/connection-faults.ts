import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { loadClientConnectConfig } from '@temporalio/envconfig';
import { faultOfHeaderSecret } from '../../config.ts';

type Options = ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
type Tls = Exclude<Options['tls'], boolean | null | undefined>;

/** What the clients would throw about later, a sentence each, where they name no variable and quote the key. */
export function faultsOfConnection({ address, apiKey, metadata, tls }: Options): readonly string[] {
  const faults = [
    address === undefined || isAddress(address)
      ? undefined
      : `TEMPORAL_ADDRESS is ${address.slice(0, 100)}: it has to be host:port, without http:// and without a path.`,
    typeof apiKey === 'string' ? faultOfHeaderSecret('TEMPORAL_API_KEY', apiKey) : undefined,
    ...Object.entries(metadata ?? {}).map(([name, value]) => faultOfMetadata(name, String(value))),
    ...(typeof tls === 'object' && tls !== null ? faultsOfTls(tls) : []),
  ];
  return faults.filter((fault) => fault !== undefined);
}

function isAddress(text: string): boolean {
  const [, port = ''] = /^(?:\[[0-9a-fA-F:.]+\]|[^:/?#@\s[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? [text, 'none'];
  return Number(port) <= 65_535;
}

function faultOfMetadata(name: string, value: string): string | undefined {
  if (/^[\x20-\x7e]*$/.test(value)) return undefined;
  return `TEMPORAL_GRPC_META_${name} holds a line break or another character that no header has. Put it on one line.`;
}

const authority = 'TEMPORAL_TLS_SERVER_CA_CERT_PATH or _DATA';
const certificate = 'TEMPORAL_TLS_CLIENT_CERT_PATH or _DATA';
const privateKey = 'TEMPORAL_TLS_CLIENT_KEY_PATH or _DATA';

function faultsOfTls({ serverRootCACertificate, clientCertPair }: Tls): readonly (string | undefined)[] {
  const faults: string[] = [];
  if (serverRootCACertificate && readCertificate(serverRootCACertificate) === undefined)
    faults.push(`${authority}: what is there is no certificate in PEM.`);
  if (!clientCertPair) return faults;
  const own = readCertificate(clientCertPair.crt);
  const key = readKey(clientCertPair.key);
  if (own === undefined) faults.push(`${certificate}: what is there is no certificate in PEM.`);
  if (key === undefined) faults.push(`${privateKey}: what is there is no private key in PEM without a passphrase.`);
  if (own !== undefined && key !== undefined && !own.checkPrivateKey(key))
    faults.push(`${privateKey}: the key is not the one of the certificate of ${certificate}.`);
  return faults;
}

function readCertificate(pem: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function readKey(pem: Uint8Array): KeyObject | undefined {
  try {
    return createPrivateKey(Buffer.from(pem));
  } catch {
    return undefined;
  }
}
