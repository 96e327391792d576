import { randomBytes } from 'node:crypto';
import { loadCatalogue } from '../catalogue/load.ts';
import type { Catalogue } from '../catalogue/schema.ts';
import { type Config, ConfigError, type Secrets } from '../config.ts';
import { isProviderKind } from '../providers/registry.ts';
import { createSimulator, type RunningSimulator } from '../simulator/simulator.ts';
import { type VendorName, vendorNames } from '../simulator/vendor-name.ts';

interface SimulatorSetting {
  readonly config: Config;
  readonly secrets: Secrets;
}

/** The vendors, played on SIMULATOR_PORT. Each signs with the secret that the other processes verify with. */
export async function runSimulator({ config, secrets }: SimulatorSetting): Promise<RunningSimulator> {
  if (config.isProduction) throw new ConfigError('The simulator does not run under NODE_ENV=production.');
  const catalogue = await loadCatalogue(config.cataloguePath, isProviderKind);
  const { seed, tier, timeScale, port } = config.simulator;
  const simulator = createSimulator({
    seed,
    tier,
    timeScale,
    webhookSecret: newWebhookSecret(),
    vendors: accounts(catalogue, secrets),
    idSalt: newIdSalt(),
  });
  return await simulator.listen(port, config.api.host);
}

/** In the form that every vendor's secrets have. */
export function newWebhookSecret(): string {
  return `whsec_${randomBytes(24).toString('base64')}`;
}

export function newIdSalt(): string {
  return randomBytes(6).toString('hex');
}

/** A vendor whose secret nobody has set signs all the same, and nobody can verify it. */
function accounts(
  { providers }: Catalogue,
  { variable }: Secrets,
): Partial<Record<VendorName, { readonly webhookSecret: string }>> {
  const secrets = Object.values(providers).flatMap(({ kind, webhook_secret_variable: name }) => {
    const webhookSecret = name === undefined ? undefined : variable(name);
    return webhookSecret === undefined
      ? []
      : vendorNames.filter((name) => name === kind).map((name) => [name, { webhookSecret }] as const);
  });
  return Object.fromEntries(secrets);
}
