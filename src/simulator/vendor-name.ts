/** The vendors that the simulator is made to play; each is served under its name. */
export const vendorNames = ['wavespeed', 'fal', 'replicate', 'runway'] as const;

export type VendorName = (typeof vendorNames)[number];
