import { loadCatalogue } from '../../catalogue/load.ts';
import type { Catalogue, CatalogueTarget, TargetMode } from '../../catalogue/schema.ts';
import type { Config, Secrets } from '../../config.ts';
import { ProviderUnreachableError } from '../../providers/provider.ts';
import { adapterOf, isProviderKind } from '../../providers/registry.ts';
import type { VendorCatalogue, VendorModel } from '../../providers/vendor-catalogue.ts';
import { differenceOfPrice, differencesOfInput, ordersToQuote } from './compare-models.ts';
import { providerSettings } from './provider-settings.ts';

interface CheckSetting {
  readonly config: Config;
  readonly secrets: Secrets;
}

/**
 * Compares the catalogue with what vendors say of their models today. A line for each difference; what to do about
 * one is to read the vendor's page and write the entry anew. Returns whether there was none: a vendor without a key, or
 * without such a description, has none.
 */
export async function modelsCheck({ config, secrets }: CheckSetting, say: (line: string) => void): Promise<boolean> {
  const catalogue = await loadCatalogue(config.cataloguePath, isProviderKind);
  let differences = 0;
  for (const [provider, entry] of Object.entries(catalogue.providers)) {
    const { createCatalogue } = adapterOf(entry.kind);
    const settings = providerSettings(entry, config, secrets);
    if (createCatalogue === undefined) continue;
    if (settings === undefined) {
      say(`${provider}: ${entry.key_variable} is not set, so there is nothing to compare with.`);
      continue;
    }
    const compared = differencesOf(createCatalogue(settings), targetsAt(catalogue, provider));
    const lines = await compared.catch(noAnswer(provider));
    for (const line of lines) say(line);
    if (lines.length === 0) say(`${provider}: the catalogue says what the vendor says.`);
    differences += lines.length;
  }
  return differences === 0;
}

type Target = readonly [name: string, target: CatalogueTarget];

function targetsAt({ targets }: Catalogue, provider: string): readonly Target[] {
  return Object.entries(targets).filter(([, target]) => target.provider === provider);
}

async function differencesOf(vendor: VendorCatalogue, targets: readonly Target[]): Promise<readonly string[]> {
  const models = await vendor.models();
  const lines: string[] = [];
  for (const [name, target] of targets) {
    for (const mode of [target.text, target.image]) {
      if (mode === undefined) continue;
      lines.push(...(await differencesOfMode({ vendor, models, target, mode })).map(on(name, mode)));
    }
  }
  return lines;
}

function noAnswer(provider: string): (error: unknown) => readonly string[] {
  return (error) => {
    if (!(error instanceof ProviderUnreachableError)) throw error;
    const { code, vendorCode = 'no code' } = error.failure;
    return [`${provider}: the vendor gave no answer to compare with: ${code}, ${vendorCode}`];
  };
}

function on(target: string, { model }: TargetMode): (difference: string) => string {
  return (difference) => `${target} (${model}): ${difference}`;
}

interface Comparison {
  readonly vendor: VendorCatalogue;
  readonly models: ReadonlyMap<string, VendorModel>;
  readonly target: CatalogueTarget;
  readonly mode: TargetMode;
}

/** Quotes are asked for one after the other: nobody waits for them, and the account has its rate. */
async function differencesOfMode({ vendor, models, target, mode }: Comparison): Promise<readonly string[]> {
  const model = models.get(mode.model);
  const differences = [...differencesOfInput(mode, model)];
  if (model === undefined) return differences;
  for (const order of ordersToQuote(mode)) {
    const difference = differenceOfPrice(target, order, await vendor.quote(mode.model, order.input));
    if (difference !== undefined) differences.push(difference);
  }
  return differences;
}
