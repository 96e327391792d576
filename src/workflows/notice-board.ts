import { defineSearchAttributeKey, type SearchAttributeUpdatePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { GenerateVideoInput } from '../contracts/generate-video.ts';
import { accountOf } from '../domain/account.ts';
import { isAtStake, type Story, targetOf } from '../domain/story.ts';
import { snapshotOf } from '../domain/story-snapshot.ts';
import { isStuckCause, stuckNextAt, stuckOf } from '../domain/stuck.ts';
import { type Notice, noticeAfter } from '../domain/stuck-notice.ts';

const causeKey = defineSearchAttributeKey<'KEYWORD'>('StuckCause', 'KEYWORD');
const providerKey = defineSearchAttributeKey<'KEYWORD'>('VideoProvider', 'KEYWORD');

/** What a job shows of itself in Temporal UI. */
export interface NoticeBoard {
  /** Shows the story as it is now. Returns when time alone makes it stuck, if it does, and the job is waited for by a timer. */
  show(story: Story): number | null;
}

/**
 * The job's account is served by the query of its details, so that it costs no event; it is made once a wait. The search
 * attributes cost one each time, and depend on `stuckOf`: a change of that is a change of the workflow's commands, which wants
 * `patched()` like any other. Without `stuckAfterMs`, as in histories of before, there are none.
 */
export function createNoticeBoard({ jobId, stuckAfterMs }: GenerateVideoInput): NoticeBoard {
  let notice = asStarted();
  return {
    show(story) {
      const now = Date.now();
      const snapshot = snapshotOf(story);
      const stuck = stuckAfterMs === undefined ? undefined : stuckOf(snapshot, { stuckAfterMs }, now);
      setCurrentDetails(accountOf({ jobId, story, stuck }, now));
      if (stuckAfterMs === undefined) return null;
      const next = noticeAfter(notice, { cause: stuck?.cause ?? null, provider: providerOf(story) });
      if (next !== undefined) upsertSearchAttributes(changesOf(notice, next));
      notice = next ?? notice;
      // The reconciler tells of a late copy by a hint: a timer would cost each healthy one two events.
      return story.attempts.some(({ phase }) => phase === 'storing')
        ? null
        : stuckNextAt(snapshot, { stuckAfterMs }, now);
    },
  };
}

function asStarted(): Notice {
  const { typedSearchAttributes } = workflowInfo();
  const cause = typedSearchAttributes.get(causeKey);
  const provider = typedSearchAttributes.get(providerKey);
  return { cause: isStuckCause(cause) ? cause : null, provider: provider ?? null, upserts: 0 };
}

/** Of the newest attempt that may be paid, or of the line that the job waits in. */
function providerOf(story: Story): string | null {
  const at = story.attempts.findLast(isAtStake) ?? story.ticket;
  return at === null ? null : targetOf(story, at).provider;
}

function changesOf(shown: Notice, next: Notice): SearchAttributeUpdatePair[] {
  const cause = { key: causeKey, value: next.cause };
  return next.provider === null || next.provider === shown.provider
    ? [cause]
    : [cause, { key: providerKey, value: next.provider }];
}
