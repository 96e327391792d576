import type { ProviderTraits } from '../../src/catalogue/availability.ts';
import { parseCatalogue } from '../../src/catalogue/load.ts';
import type { Catalogue } from '../../src/catalogue/schema.ts';

/** A small catalogue, line by line, so that a test can break one line of it. Line numbers are counted from 1. */
export const sampleText = `providers:
  vendor:
    kind: wavespeed
    base_url: https://api.vendor.example
    key_variable: VENDOR_KEY
    pools:
      main: { outstanding: 10, per_minute: 60 }
  rival:
    kind: runway
    base_url: https://rival.example
    other_urls: { files: https://files.rival.example }
    key_variable: RIVAL_KEY
    webhook_secret_variable: RIVAL_SECRET
    level_variable: RIVAL_LEVEL
    pools:
      side: { preset: silver }
models:
  swift:
    maker: somebody
    added: 2026-11-01
    targets: [vendor/swift]
    fallbacks: [grand]
  grand:
    maker: somebody
    added: 2026-11-02
    targets: [vendor/grand, vendor/grand-lite, rival/grand]
    spill_after_seconds: 40
  lone:
    maker: rival
    added: 2026-11-03
    targets: [rival/grand]
  bygone:
    maker: nobody
    added: 2026-11-04
    targets: []
    fallbacks: [swift, grand]
    retired:
      since: 2026-09-24
      why: its maker has switched it off
      policy: redirect
      source: its maker
      as_of: 2026-11-01
      sizes: { 1792x1024: [1920x1080, 1280x720], 9000x9000: [8000x8000] }
  banned:
    maker: nobody
    added: 2026-11-05
    targets: []
    fallbacks: [swift]
    retired: { since: 2026-10-01, why: nobody may have it, policy: refuse, assumed: true }
targets:
  vendor/swift:
    provider: vendor
    pool: main
    limits: { outstanding: 4 }
    inputs: { source: price list, as_of: 2026-11-01 }
    typical_seconds: { value: 30, assumed: true }
    longest_seconds: { value: 300, assumed: true }
    patience_seconds: { value: 90, assumed: true }
    unknown: resubmit
    moderation: elsewhere
    price_per_second: { values: { 1280x720: 0.41 }, source: price list, as_of: 2026-11-01 }
    text:
      model: swift/text
      seconds: { field: duration, allowed: [5, 10] }
      sizes: { 1280x720: { aspect: '16:9' }, 720x1280: { aspect: '9:16' } }
      seed: seed
  vendor/grand:
    provider: vendor
    pool: main
    inputs: { assumed: true }
    typical_seconds: { value: 60, assumed: true }
    longest_seconds: { value: 900, assumed: true }
    patience_seconds: { value: 120, assumed: true }
    unknown: fail
    unknown_grace_seconds: 45
    price_per_second: { values: { 1280x720: 0.2, 1920x1080: 0.4 }, assumed: true }
    text:
      model: grand/text
      seconds: { field: seconds, allowed: [5, 8] }
      sizes: { 1280x720: { size: 1280*720 }, 1920x1080: { size: 1920*1080 } }
      negative_prompt: negative
      seed: noise
      audio: sound
      always: { expand: false }
    image:
      model: grand/image
      image: picture
      seconds: { field: seconds, allowed: [5] }
      sizes: { 1280x720: {} }
  rival/grand:
    provider: rival
    pool: side
    inputs: { assumed: true }
    typical_seconds: { value: 70, assumed: true }
    longest_seconds: { value: 900, assumed: true }
    patience_seconds: { value: 140, assumed: true }
    unknown: fail
    price_per_second: { values: { 1280x720: 0.1 }, assumed: true }
    text:
      model: grand
      prompt: words
      prompt_chars_max: 20
      negative_prompt: not
      negative_prompt_chars_max: 5
      seconds: { field: length, allowed: { from: 2, to: 4 }, as: string }
      sizes: { 1280x720: {}, 1024x1024: {} }
  vendor/grand-lite:
    provider: vendor
    pool: main
    inputs: { assumed: true }
    typical_seconds: { value: 20, assumed: true }
    longest_seconds: { value: 200, assumed: true }
    patience_seconds: { value: 60, assumed: true }
    unknown: wait
    image:
      model: lite/image
      image: picture
      seconds: { field: seconds, allowed: [5] }
      sizes: { 1280x720: {} }
`;

export const sample: Catalogue = parseCatalogue(sampleText, { path: 'sample.yaml' });

/** One provider has a key here. */
export const onlyVendor: ReadonlyMap<string, ProviderTraits> = new Map([
  ['vendor', { callbacks: true, cancelMeans: 'forgets' }],
]);

export const bothProviders: ReadonlyMap<string, ProviderTraits> = new Map([
  ...onlyVendor,
  ['rival', { callbacks: false, cancelMeans: 'stops' }],
]);

/** The sample with one line changed; the line must be there. */
export function broken(line: string, replacement: string): { text: string; line: number } {
  const lines = sampleText.split('\n');
  const index = lines.findIndex((candidate) => candidate.trim() === line);
  if (index === -1) throw new Error(`the sample has no line ${line}`);
  const indent = (lines[index] ?? '').replace(/\S.*$/, '');
  lines.splice(index, 1, ...(replacement === '' ? [] : [indent + replacement]));
  return { text: lines.join('\n'), line: index + 1 };
}
