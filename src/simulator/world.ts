import { Account } from './account.ts';
import { createCallbackClient } from './callback-client.ts';
import { createFaultChooser, type FaultChooser } from './fault-chooser.ts';
import { createMediaStore, type MediaStore } from './media-store.ts';
import type { SimulatorOptions } from './options.ts';
import { hexId } from './random.ts';
import type { VendorName } from './vendor-name.ts';
import type { VendorRules } from './vendor-rules.ts';

/** All accounts, and what they share. */
export interface World {
  readonly accounts: ReadonlyMap<VendorName, Account>;
  /** One plan for all: a rule's `times` are counted over every vendor. */
  readonly faults: FaultChooser;
  readonly media: MediaStore;
  readonly options: SimulatorOptions;
  /** Everything begins anew, but for ids and media. */
  reset(): void;
  close(): void;
}

export function createWorld(options: SimulatorOptions, vendors: readonly VendorRules[]): World {
  const client = createCallbackClient();
  const openings = vendors.map((vendor) => ({
    vendor,
    options: optionsOf(vendor, options),
    mintId: minter(vendor, options),
  }));
  const open = () => {
    const faults = createFaultChooser(options.seed, options.faults ?? []);
    const accounts = openings.map((opening) => new Account({ ...opening, faults, client }));
    return { faults, accounts: new Map(accounts.map((account) => [account.vendor.name, account])) };
  };
  let current = open();
  const closeAccounts = () => {
    for (const account of current.accounts.values()) account.close();
  };
  return {
    options,
    media: createMediaStore(),
    get accounts() {
      return current.accounts;
    },
    get faults() {
      return current.faults;
    },
    reset() {
      closeAccounts();
      current = open();
    },
    close() {
      closeAccounts();
      client.close();
    },
  };
}

function optionsOf({ name }: VendorRules, options: SimulatorOptions): SimulatorOptions {
  return { ...options, ...options.vendors?.[name] };
}

/** Ids go on counting across resets: callers may keep them in a table where they must be unique. */
function minter({ name, idOf }: VendorRules, { seed, idSalt = '' }: SimulatorOptions): () => string {
  let minted = 0;
  return () => idOf(hexId(seed, name, idSalt, minted++));
}
