/** A build of the workers' code, by the names under which Temporal routes workflows to it. */
export interface Build {
  readonly deploymentName: string;
  readonly buildId: string;
}

/** Where Temporal sends what is new, as far as it is known. */
export type Routing =
  | { readonly kind: 'unknown' }
  /** Nobody has named a build: workers without one get what is new. */
  | { readonly kind: 'unversioned' }
  | { readonly kind: 'current'; readonly build: Build };

/**
 * Whether a worker may grant, relay and show, beside working for the workflows of its own build. A build that only ramps
 * may not: Temporal gives it its share of the workflows, while dispatch is everybody's or nobody's, so that a share of it
 * can't be had. A worker without a build always may.
 */
export function mayDispatch(own: Build | undefined, routing: Routing): boolean {
  if (own === undefined) return true;
  return routing.kind === 'current' && isSameBuild(routing.build, own);
}

function isSameBuild(one: Build, other: Build): boolean {
  return one.deploymentName === other.deploymentName && one.buildId === other.buildId;
}
