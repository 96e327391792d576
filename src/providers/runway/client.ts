import type { ProviderUnreachableError } from '../provider.ts';
import { endOfQuestion } from '../refusal.ts';
import type { ProviderSettings } from '../settings.ts';
import { createVendorClient, type Answer, type VendorClient } from '../vendor-client.ts';
import { failureOfRefusal } from './failures.ts';

/** The vendor refuses a request that does not name the version of the protocol it was written for. */
const version = '2024-11-06';

export function createClient(settings: ProviderSettings): VendorClient {
  return createVendorClient(settings, () => ({
    authorization: `Bearer ${settings.apiKey}`,
    'x-runway-version': version,
  }));
}

export function unreachable(answer: Answer): ProviderUnreachableError {
  return endOfQuestion(answer, failureOfRefusal(answer));
}
