import type { Catalogue, CatalogueProvider } from '../../catalogue/schema.ts';
import type { Config, Secrets } from '../../config.ts';
import { ProviderUnreachableError } from '../../providers/provider.ts';
import { adapterOf } from '../../providers/registry.ts';
import { type Check, fail, type Finding, ok, reasonOf, warn } from './check.ts';
import { providerSettings } from '../vendors/provider-settings.ts';

export interface ProviderDoctor {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly catalogue: Catalogue;
}

/** One of nobody: whoever knows the key says that there is no such operation, and whoever does not says so first. */
const nobodysOperation = '00000000-0000-4000-8000-000000000000';

/** A check for every provider of the catalogue. Each asks once for an operation that does not exist, which costs nothing. */
export function providerChecks({ catalogue, ...doctor }: ProviderDoctor): readonly Check[] {
  return Object.entries(catalogue.providers).map(([name, entry]) => ({
    name: `provider ${name}`,
    run: async () => await checkKey({ name, entry, model: modelOf(catalogue, name) }, doctor),
    advice: 'Try again, and look at the status page of the provider.',
  }));
}

interface Asked {
  readonly name: string;
  readonly entry: CatalogueProvider;
  readonly model: string;
}

async function checkKey(
  { entry, model }: Asked,
  { config, secrets }: Omit<ProviderDoctor, 'catalogue'>,
): Promise<Finding> {
  const settings = providerSettings(entry, config, secrets);
  const { key_variable: variable } = entry;
  if (settings === undefined) return ok(`${variable} is not set, so its targets are left out.`);
  const whose = config.simulatorUrl === undefined ? variable : 'the simulator’s key';
  try {
    await adapterOf(entry.kind).create(settings).check({ operation: nobodysOperation, model });
    return ok(`The provider takes ${whose}.`);
  } catch (error) {
    if (!(error instanceof ProviderUnreachableError)) throw error;
    const { code, vendorCode = 'no code' } = error.failure;
    if (code === 'auth')
      return fail(`The provider refuses ${whose} (${vendorCode}).`, `Set ${variable} to a valid key.`);
    if (code === 'no_credit')
      return fail(`The account has run dry (${vendorCode}).`, 'Top it up: until then nothing is made there.');
    // It answered something else than a refusal of the key, which not every vendor does for what does not exist.
    if (vendorCode.startsWith('http_4'))
      return ok(`The provider answers and does not refuse ${whose} (${vendorCode}).`);
    return warn(
      `The provider could not be asked whether it takes ${whose} (${vendorCode}, ${reasonOf(error)}).`,
      'Try again, and look at the status page of the provider.',
    );
  }
}

/** Some vendors are asked about an operation below the model that it was ordered from. */
function modelOf({ targets }: Catalogue, provider: string): string {
  const target = Object.values(targets).find((target) => target.provider === provider);
  return (target?.text ?? target?.image)?.model ?? 'none/none';
}
