import type { Route } from './route.ts';
import type { VendorRules } from './vendor-rules.ts';

/** All that the core needs to know of a vendor. Its folder holds the rest. */
export interface SimulatedVendor extends VendorRules {
  /** Matched in this order, against the path behind the vendor's prefix. */
  readonly routes: readonly Route[];
}
