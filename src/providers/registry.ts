import type { VideoProvider } from './provider.ts';
import type { ProviderSettings } from './settings.ts';
import { createWaveSpeedProvider } from './wavespeed/provider.ts';

/** Every vendor that we speak to. To add one, write its folder and its line here. */
const factories = {
  wavespeed: createWaveSpeedProvider,
} satisfies Record<string, (settings: ProviderSettings) => VideoProvider>;

export type ProviderKind = keyof typeof factories;

export function createProvider(kind: ProviderKind, settings: ProviderSettings): VideoProvider {
  return factories[kind](settings);
}

/** Whether the catalogue's `kind` has an adapter. */
export function isProviderKind(kind: string): kind is ProviderKind {
  return Object.hasOwn(factories, kind);
}
