import { join } from 'node:path';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import { secretVariables, variables } from '../../src/config.ts';

const { providers } = await loadCatalogue(join(import.meta.dirname, '../../models.yaml'));

/** What the catalogue names: keys, what proves callbacks, account levels. */
export const ofProviders: readonly string[] = Object.values(providers).flatMap((provider) =>
  [provider.key_variable, provider.webhook_secret_variable, provider.level_variable].filter(
    (name) => name !== undefined,
  ),
);

/** What the SDKs of AWS and Temporal read by themselves. */
const ofPackages = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_PROFILE',
  'TEMPORAL_NAMESPACE',
  'TEMPORAL_API_KEY',
  'TEMPORAL_TLS',
  'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_CERT_PATH',
  'TEMPORAL_TLS_CLIENT_KEY_PATH',
  'TEMPORAL_TLS_SERVER_NAME',
];

const files = [...secretVariables, ...ofProviders].map((name) => `${name}_FILE`);

const known = new Set<string>([...Object.keys(variables), ...ofProviders, ...ofPackages, ...files]);

/** Those that nobody would read: a deployment that sets them means something else. */
export function unknownOf(names: Iterable<string>): readonly string[] {
  return [...names].filter((name) => !known.has(name));
}

/** Whether a value of it may stand in a file that everybody reads. */
export function isSecret(name: string): boolean {
  return (
    secretVariables.some((secret) => secret === name) ||
    /^AWS_(SECRET|ACCESS)/.test(name) ||
    ofProviders.some((secret) => secret === name && !name.endsWith('_TIER'))
  );
}
