import type { CatalogueProvider } from '../../catalogue/schema.ts';
import type { Config, Secrets } from '../../config.ts';
import type { ProviderSettings } from '../../providers/settings.ts';

/** The simulator takes any key. */
const simulatedKey = 'simulated';

/** What an adapter is made from: the catalogue's places and the environment's secrets. Undefined: there is no key. */
export function providerSettings(
  entry: CatalogueProvider,
  { simulatorUrl }: Pick<Config, 'simulatorUrl'>,
  secrets: Pick<Secrets, 'variable'>,
): ProviderSettings | undefined {
  const { key_variable, webhook_secret_variable } = entry;
  const webhookSecret = webhook_secret_variable === undefined ? undefined : secrets.variable(webhook_secret_variable);
  if (simulatorUrl !== undefined)
    return { ...simulatedPlaces(entry, simulatorUrl), apiKey: simulatedKey, plainHttpAllowed: true, webhookSecret };
  const apiKey = secrets.variable(key_variable);
  if (apiKey === undefined) return undefined;
  return { baseUrl: entry.base_url, otherUrls: entry.other_urls, apiKey, webhookSecret };
}

/** What takes the place of the pools' presets, if anything. The simulator's account is at the level that it plays. */
export function accountLevel(
  { level_variable }: CatalogueProvider,
  { simulatorUrl, simulator }: Config,
  secrets: Secrets,
): string | undefined {
  if (simulatorUrl !== undefined) return simulator.tier;
  return level_variable === undefined ? undefined : secrets.variable(level_variable);
}

/** The simulator serves each vendor under its kind, and the vendor's other places under their names below that. */
function simulatedPlaces(
  { kind, other_urls }: CatalogueProvider,
  simulatorUrl: string,
): Pick<ProviderSettings, 'baseUrl' | 'otherUrls'> {
  const baseUrl = `${simulatorUrl}/${kind}`;
  const otherUrls = Object.fromEntries(Object.keys(other_urls).map((name) => [name, `${baseUrl}/${name}`]));
  return { baseUrl, otherUrls };
}
