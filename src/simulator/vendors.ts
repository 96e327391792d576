import { fal } from './fal/vendor.ts';
import { replicate } from './replicate/vendor.ts';
import { runway } from './runway/vendor.ts';
import type { SimulatedVendor } from './vendor.ts';
import { wavespeed } from './wavespeed/vendor.ts';

/** A vendor is added here; its routes are then served under `/<name>`. */
export const vendors: readonly SimulatedVendor[] = [wavespeed, fal, replicate, runway];
