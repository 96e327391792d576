import { listEventsOfJob } from '../../db/jobs/events.ts';
import type { Database } from '../../db/pool.ts';
import type { JobEvent } from '../../db/jobs/read-jobs.ts';
import { isFinal, type OwnedJob } from '../../domain/job.ts';
import { answeredOrLeft, type DatabaseWait } from '../database-wait.ts';
import { digestOf } from '../reading/entity-tag.ts';
import type { JobFollower, JobTopics } from './job-topics.ts';
import type { Snapshot } from './snapshots.ts';
import type { VideoObject } from '../reading/video-object.ts';

/** Where the story of a job is told. */
export interface JobOutlet {
  event(event: JobEvent): void;
  /** The whole video, as it stands. The last one precedes the event that is the end. */
  video(video: VideoObject): void;
  /** The story is over, or there is no such job any more. */
  end(): void;
}

export interface FollowJobDeps {
  readonly pool: Database;
  readonly topics: JobTopics;
  readonly findVideo: (owned: OwnedJob, wait: DatabaseWait) => Promise<VideoObject>;
}

export interface JobWish {
  readonly owned: OwnedJob;
  /** The last event that the reader has. Zero: none. */
  readonly afterSeq: number;
  readonly wait: DatabaseWait;
}

export interface JobStory {
  /** Tells what there is, and from then on what comes. Called once. */
  tell(outlet: JobOutlet): void;
  /** Whoever listened has gone. */
  leave(): void;
}

/**
 * Opens the story of a job behind an event: every event once and in order, whatever is heard twice, late or not at all,
 * because the numbers of a job's events are dense. Throws where there is no such job.
 *
 * @returns `over` where the reader has the last event already
 */
export async function followJob(deps: FollowJobDeps, { owned, afterSeq, wait }: JobWish): Promise<JobStory | 'over'> {
  const teller = createTeller(deps, owned, afterSeq);
  const joined = await answeredOrLeft(wait, deps.topics.join(owned, teller));
  try {
    const video = await deps.findVideo(owned, wait);
    const events = await wait.answered(listEventsOfJob(deps.pool, owned, afterSeq));
    if (isFinal(video.status) && !events.some(isEnd)) {
      joined.leave();
      return 'over';
    }
    return {
      tell(outlet) {
        const leaving: JobOutlet = {
          event: (event) => outlet.event(event),
          video: (one) => outlet.video(one),
          end() {
            joined.leave();
            outlet.end();
          },
        };
        teller.begin(leaving, { video, events });
      },
      leave: () => joined.leave(),
    };
  } catch (error) {
    joined.leave();
    throw error;
  }
}

interface Beginning {
  readonly video: VideoObject;
  readonly events: readonly JobEvent[];
}

interface Teller extends JobFollower {
  begin(outlet: JobOutlet, beginning: Beginning): void;
}

/** Takes the events of one job for one reader, in order. What was missed is read. */
function createTeller({ pool }: FollowJobDeps, owned: OwnedJob, afterSeq: number): Teller {
  let outlet: JobOutlet | undefined;
  let hasBegun = false;
  let lastSeq = afterSeq;
  /** The video was told as it ended. */
  let isOver = false;
  let digest = '';
  /** The end, which waits for the video to be told as it ended. */
  let ending: JobEvent | undefined;
  let seqHeard = 0;
  /** The last that was heard before there was anybody to tell. */
  let early: Snapshot | undefined;
  // A reading that fails is made up for by the next snapshot, which says that there is more.
  const readOn = oneAtATime(async () => take(await listEventsOfJob(pool, owned, lastSeq)));

  return {
    begin(to, beginning) {
      outlet = to;
      hasBegun = true;
      show(beginning.video, digestOf(JSON.stringify(beginning.video)));
      take(beginning.events);
      if (seqHeard > lastSeq) readOn();
      // What was read since may be younger, but not if this one has seen the end.
      if (early !== undefined && (isFinal(early.video.status) || early.eventSeq > lastSeq)) hear(early);
      early = undefined;
    },
    onEvent(event) {
      seqHeard = Math.max(seqHeard, event.seq);
      if (outlet === undefined || ending !== undefined || event.seq <= lastSeq) return;
      if (event.seq === lastSeq + 1) take([event]);
      else readOn();
    },
    onSnapshot(snapshot) {
      if (hasBegun) hear(snapshot);
      else early = snapshot;
    },
    onGone() {
      stop();
    },
  };

  function hear(snapshot: Snapshot): void {
    if (outlet === undefined) return;
    if (snapshot.digest !== digest) show(snapshot.video, snapshot.digest);
    if (ending !== undefined) end();
    else if (snapshot.eventSeq > lastSeq) readOn();
  }

  function take(events: readonly JobEvent[]): void {
    for (const event of events) {
      if (outlet === undefined || ending !== undefined || event.seq <= lastSeq) continue;
      if (isEnd(event)) ending = event;
      else {
        lastSeq = event.seq;
        outlet.event(event);
      }
    }
    if (ending !== undefined) end();
  }

  function show(video: VideoObject, digestOfVideo: string): void {
    isOver = isFinal(video.status);
    digest = digestOfVideo;
    outlet?.video(video);
  }

  function end(): void {
    if (ending === undefined || !isOver) return;
    outlet?.event(ending);
    stop();
  }

  function stop(): void {
    const to = outlet;
    outlet = undefined;
    to?.end();
  }
}

/** Does nothing while it is at it. One that fails is made up for by the next. */
function oneAtATime(work: () => Promise<void>): () => void {
  let isAtIt = false;
  return () => {
    if (isAtIt) return;
    isAtIt = true;
    void work()
      .catch(() => undefined)
      .finally(() => (isAtIt = false));
  };
}

function isEnd({ kind }: JobEvent): boolean {
  return kind === 'job.completed' || kind === 'job.failed' || kind === 'job.cancelled';
}
