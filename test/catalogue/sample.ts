import { parseCatalogue } from '../../src/catalogue/load.ts';
import type { Catalogue } from '../../src/catalogue/schema.ts';

/** A small catalogue, line by line, so that a test can break one line of it. Line numbers are counted from 1. */
export const sampleText = `providers:
  vendor:
    kind: wavespeed
    base_url: https://api.vendor.example
    pools:
      main: { outstanding: 10, per_minute: 60 }
models:
  swift:
    targets: [vendor/swift]
    fallbacks: [grand]
  grand:
    targets: [vendor/grand, vendor/grand-lite]
targets:
  vendor/swift:
    provider: vendor
    pool: main
    typical_seconds: { value: 30, assumed: true }
    longest_seconds: { value: 300, assumed: true }
    patience_seconds: 90
    unknown: resubmit
    price_per_second: { values: { 1280x720: 0.41 }, source: price list, as_of: 2026-11-01 }
    text:
      model: swift/text
      seconds: { field: duration, allowed: [5, 10] }
      sizes: { 1280x720: { aspect: '16:9' }, 720x1280: { aspect: '9:16' } }
      seed: seed
  vendor/grand:
    provider: vendor
    pool: main
    typical_seconds: { value: 60, assumed: true }
    longest_seconds: { value: 900, assumed: true }
    patience_seconds: 120
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
  vendor/grand-lite:
    provider: vendor
    pool: main
    typical_seconds: { value: 20, assumed: true }
    longest_seconds: { value: 200, assumed: true }
    patience_seconds: 60
    unknown: wait
    image:
      model: lite/image
      image: picture
      seconds: { field: seconds, allowed: [5] }
      sizes: { 1280x720: {} }
`;

export const sample: Catalogue = parseCatalogue(sampleText, 'sample.yaml');

/** The sample with one line changed; the line must be there. */
export function broken(line: string, replacement: string): { text: string; line: number } {
  const lines = sampleText.split('\n');
  const index = lines.findIndex((candidate) => candidate.trim() === line);
  if (index === -1) throw new Error(`the sample has no line ${line}`);
  const indent = (lines[index] ?? '').replace(/\S.*$/, '');
  lines.splice(index, 1, ...(replacement === '' ? [] : [indent + replacement]));
  return { text: lines.join('\n'), line: index + 1 };
}
