import type { ProviderUnreachableError } from '../provider.ts';
import { endOfQuestion } from '../refusal.ts';
import type { ProviderSettings } from '../settings.ts';
import { createVendorClient, type Answer, type VendorClient } from '../vendor-client.ts';
import { failureOfRefusal } from './failures.ts';

export function createClient(settings: ProviderSettings): VendorClient {
  return createVendorClient(settings, () => ({ authorization: `Bearer ${settings.apiKey}` }));
}

export function unreachable(answer: Answer): ProviderUnreachableError {
  return endOfQuestion(answer, failureOfRefusal(answer));
}
