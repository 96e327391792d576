import { assert } from '../domain/assert.ts';
import { createFalProvider } from './fal/provider.ts';
import type { VideoProvider } from './provider.ts';
import { createReplicateProvider } from './replicate/provider.ts';
import { createRunwayProvider } from './runway/provider.ts';
import type { ProviderSettings } from './settings.ts';
import type { VendorCatalogue } from './vendor-catalogue.ts';
import { createWaveSpeedCatalogue } from './wavespeed/catalogue.ts';
import { createWaveSpeedProvider } from './wavespeed/provider.ts';

interface Adapter {
  readonly create: (settings: ProviderSettings) => VideoProvider;
  /** What proves a callback. `none`: the vendor sends none, and is polled. */
  readonly callbacks: 'secret' | 'published_key' | 'none';
  /** Where the vendor describes its models. */
  readonly createCatalogue?: (settings: ProviderSettings) => VendorCatalogue;
}

/** Every vendor that we speak to. To add one, write its folder and its line here. */
const adapters = {
  wavespeed: { create: createWaveSpeedProvider, callbacks: 'secret', createCatalogue: createWaveSpeedCatalogue },
  fal: { create: createFalProvider, callbacks: 'published_key' },
  replicate: { create: createReplicateProvider, callbacks: 'secret' },
  runway: { create: createRunwayProvider, callbacks: 'none' },
} satisfies Record<string, Adapter>;

export type ProviderKind = keyof typeof adapters;

/** Whether the catalogue's `kind` has an adapter. */
export function isProviderKind(kind: string): kind is ProviderKind {
  return Object.hasOwn(adapters, kind);
}

/** The adapter of a kind that the catalogue's check has let through. */
export function adapterOf(kind: string): Adapter {
  assert(isProviderKind(kind), 'a kind of provider came through that has no adapter');
  return adapters[kind];
}

export function createProvider(kind: ProviderKind, settings: ProviderSettings): VideoProvider {
  return adapters[kind].create(settings);
}
