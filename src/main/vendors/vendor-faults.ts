import { isLevel, levelNames } from '../../catalogue/pools.ts';
import type { Catalogue, CatalogueProvider } from '../../catalogue/schema.ts';
import { type Config, faultOfHeaderSecret, type Secrets } from '../../config.ts';
import { adapterOf } from '../../providers/registry.ts';
import type { ProviderSettings } from '../../providers/settings.ts';
import { accountLevel, providerSettings } from './provider-settings.ts';

export interface Deployment {
  readonly config: Config;
  readonly secrets: Secrets;
}

/** Why this deployment must not start, a sentence each. */
export function faultsOfVendors({ providers }: Catalogue, deployment: Deployment): readonly string[] {
  const faults = Object.entries(providers).flatMap((entry) => faultsOf(entry, deployment));
  return [...faultsOfPublicUrl(deployment.config), ...faults];
}

/** What a person should know at start, a sentence each: who is left out, and whose jobs end later than they might. */
export function noticesOfVendors({ providers }: Catalogue, deployment: Deployment): readonly string[] {
  const notices = Object.entries(providers).flatMap((entry) => noticeOf(entry, deployment) ?? []);
  if (deployment.config.api.publicUrl !== undefined) return notices;
  return ['PUBLIC_URL is not set: no callbacks, every job is polled', ...notices];
}

/** A vendor that refuses the callback's URL refuses the order with it: every job would fail as invalid. */
function faultsOfPublicUrl({ api: { publicUrl }, simulatorUrl }: Config): readonly string[] {
  if (publicUrl === undefined || simulatorUrl !== undefined || publicUrl.startsWith('https:')) return [];
  return [
    `PUBLIC_URL is ${publicUrl}: vendors call back over https only. Use https, or leave it out to have jobs polled.`,
  ];
}

type Entry = readonly [name: string, provider: CatalogueProvider];

/** What stands against this provider, though it has a key. */
function faultsOf([name, entry]: Entry, { config, secrets }: Deployment): readonly string[] {
  const settings = providerSettings(entry, config, secrets);
  if (settings === undefined) return [];
  const faults: string[] = [];
  const keyFault = faultOfHeaderSecret(entry.key_variable, settings.apiKey);
  if (keyFault !== undefined) faults.push(keyFault);
  const level = accountLevel(entry, config, secrets);
  if (level !== undefined && !isLevel(level))
    faults.push(`${entry.level_variable} is ${JSON.stringify(level)}: it has to be one of ${levelNames.join(', ')}.`);
  const secret = secretVariable([name, entry]);
  if (config.isProduction && isUnproven({ entry, settings }, config))
    faults.push(
      `${secret} is not set, so callbacks of ${name} could be forged: set it, or leave PUBLIC_URL out and have its jobs polled.`,
    );
  // The form of every vendor's secrets, with nothing in it: a key that anybody has.
  if (settings.webhookSecret === 'whsec_') faults.push(`${secret} is a prefix without a secret: copy all of it.`);
  return faults;
}

function noticeOf([name, entry]: Entry, { config, secrets }: Deployment): string | undefined {
  const settings = providerSettings(entry, config, secrets);
  if (settings === undefined) return `${name}: ${entry.key_variable} is not set, its targets are left out`;
  if (!isUnproven({ entry, settings }, config)) return undefined;
  return `${name}: ${secretVariable([name, entry])} is not set, so each of its callbacks only causes a poll`;
}

interface Keyed {
  readonly entry: CatalogueProvider;
  readonly settings: ProviderSettings;
}

/** Whether callbacks are registered that nobody can tell from forged ones. */
function isUnproven({ entry, settings }: Keyed, { api }: Config): boolean {
  const hasSecret = settings.webhookSecret !== undefined;
  return api.publicUrl !== undefined && adapterOf(entry.kind).callbacks === 'secret' && !hasSecret;
}

function secretVariable([name, { webhook_secret_variable }]: Entry): string {
  return webhook_secret_variable ?? `webhook_secret_variable of ${name} in the catalogue`;
}
