import type { NotedOrphan } from '../db/retention/orphans.ts';
import type { VideoProvider } from '../providers/provider.ts';
import { answerOf } from './find-operation.ts';

/** `unknown`: the vendor has nothing of that name under our key. `unasked`: it gave no answer, or there is no key for it. */
export type OrphanProof = 'known' | 'unknown' | 'unasked';

/**
 * Whether what a callback named is ours. That a vendor has signed it proves that the vendor sent it, to anybody who asked for
 * that: an attempt that takes the name of somebody else's video would lose its own, and buy another.
 */
export async function proveOrphan(
  providers: ReadonlyMap<string, VideoProvider>,
  { provider, operation, model }: Pick<NotedOrphan, 'provider' | 'operation' | 'model'>,
): Promise<OrphanProof> {
  if (operation === null || model === null) return 'unasked';
  const progress = await answerOf(providers.get(provider)?.check({ operation, model }));
  if (progress === undefined) return 'unasked';
  return progress.kind === 'failed' && progress.failure.vendorCode === 'operation_missing' ? 'unknown' : 'known';
}
