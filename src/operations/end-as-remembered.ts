import { endAttempt } from '../db/ledger/attempts.ts';
import type { JobToAdopt } from '../db/ledger/restore.ts';
import { decideUnknown } from '../db/ledger/unknown-attempts.ts';
import { failureOf } from '../domain/failure.ts';
import { type AttemptStory, targetOf } from '../domain/story.ts';
import { endOf, type Progress } from '../providers/provider.ts';
import { answerOf, type FindDeps } from './find-operation.ts';
import type { RememberedJob } from './remembered-job.ts';

export interface AdoptOrder {
  readonly job: JobToAdopt;
  readonly remembered: RememberedJob;
  readonly attempt: AttemptStory;
}

/** What its workflow has heard the end of, nobody will ask about any more: so it ends here, by the vendor's word or its own. */
export async function endAsRemembered(
  { db, providers }: Pick<FindDeps, 'db' | 'providers'>,
  { job, remembered, attempt }: AdoptOrder,
  operation: string | undefined,
): Promise<void> {
  const { phase, number, failure } = attempt;
  const place = { jobId: job.id, attempt: number };
  if (phase === 'live' || phase === 'unknown' || phase === 'submitting') {
    // The vendor took it, and nobody knows its name any more: no policy may guess that it was never made.
    if (operation === undefined && (phase === 'live' || remembered.accepted.has(number)))
      await decideUnknown(db, { ...place, policy: 'wait' });
    return;
  }
  const target = targetOf(remembered.story, attempt);
  if (failure !== undefined && remembered.refused.has(number)) {
    await endAttempt(db, { ...place, evidence: 'refusal', outcome: 'failed', failure });
    return;
  }
  // Given up, which is no end.
  if (failure?.code === 'ambiguous_submit') {
    await decideUnknown(db, { ...place, policy: target.unknownPolicy });
    return;
  }
  const provider = providers.get(target.provider);
  const progress: Progress | undefined =
    operation === undefined ? undefined : await answerOf(provider?.check({ operation, model: target.vendorModel }));
  // A video that was made once was made, also where the vendor has forgotten it since.
  const wasMade = phase !== 'failed' || failure?.code === 'output_expired' || remembered.copies.includes(number);
  const end =
    progress?.kind === 'finished' || (progress?.kind === 'failed' && !wasMade)
      ? endOf(progress)
      : wasMade
        ? { outcome: 'finished' as const }
        : { outcome: 'failed' as const, failure: failure ?? failureOf('provider_failed') };
  await endAttempt(db, { ...place, evidence: 'check', ...(operation === undefined ? {} : { operation }), ...end });
}
