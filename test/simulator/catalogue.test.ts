import { describe, expect, test } from 'vitest';
import { loadCatalogue } from '../../src/catalogue/load.ts';
import type { TargetMode } from '../../src/catalogue/schema.ts';
import { vendorInput } from '../../src/catalogue/vendor-input.ts';
import { findModel } from '../../src/simulator/model.ts';
import { validateInputs } from '../../src/simulator/validate-inputs.ts';
import { vendors } from '../../src/simulator/vendors.ts';

const catalogue = await loadCatalogue('models.yaml');
const request = { prompt: 'a cat', negative_prompt: 'dogs', audio: false, seed: 7 };
const picture = { seed: null, imageUrl: 'https://cdn.example/i.jpg' };

/** The simulated vendors are strict about types and values, so this finds what a real one would refuse at a price. */
describe('a simulated vendor takes whatever the catalogue can order from it', () => {
  const modes = Object.entries(catalogue.targets).flatMap(([name, target]) =>
    [target.text, target.image].flatMap((mode) => (mode ? [{ name, provider: target.provider, mode }] : [])),
  );

  test.each(modes)('$name: $mode.model', ({ provider, mode }) => {
    const vendor = vendors.find(({ name }) => name === catalogue.providers[provider]?.kind);
    const model = findModel(vendor?.models ?? [], mode.model);
    if (!model) throw new Error('the simulator has no such model');
    expect(mode.prompt).toBe(vendor?.promptField);
    for (const input of inputsOf(mode)) {
      expect([input, validateInputs(model, input)]).toEqual([input, undefined]);
      // The simulator ignores what it does not know, as vendors do: a misspelt field would go unnoticed.
      expect(Object.keys(model.fields)).toEqual(expect.arrayContaining(Object.keys(input)));
    }
  });
});

function inputsOf(mode: TargetMode) {
  return Object.keys(mode.sizes).flatMap((size) =>
    mode.seconds.allowed.map((seconds) => vendorInput(mode, { ...request, size, seconds }, picture)),
  );
}
