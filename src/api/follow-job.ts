import { listEventsOfJob } from '../db/events.ts';
import type { Database } from '../db/pool.ts';
import type { JobEvent } from '../db/read-jobs.ts';
import { isFinal, type OwnedJob } from '../domain/job.ts';
import type { DatabaseWait } from './database-wait.ts';
import { digestOf } from './entity-tag.ts';
import type { JobFollower, JobTopics } from './job-topics.ts';
import type { VideoObject } from './video-object.ts';

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
  const joined = await wait.answered(deps.topics.join(owned, teller));
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
  let lastSeq = afterSeq;
  /** The video was told as it ended. */
  let isOver = false;
  let digest = '';
  /** The end, which waits for the video to be told as it ended. */
  let ending: JobEvent | undefined;
  let isReading = false;
  let seqHeard = 0;

  return {
    begin(to, beginning) {
      outlet = to;
      show(beginning.video, digestOf(JSON.stringify(beginning.video)));
      take(beginning.events);
      if (seqHeard > lastSeq) void readOn();
    },
    onEvent(event) {
      seqHeard = Math.max(seqHeard, event.seq);
      if (outlet === undefined || ending !== undefined || event.seq <= lastSeq) return;
      if (event.seq === lastSeq + 1) take([event]);
      else void readOn();
    },
    onSnapshot(snapshot) {
      if (outlet === undefined) return;
      if (snapshot.digest !== digest) show(snapshot.video, snapshot.digest);
      if (ending !== undefined) end();
      else if (snapshot.eventSeq > lastSeq) void readOn();
    },
    onGone() {
      stop();
    },
  };

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

  /** A reading that fails is made up for by the next snapshot, which says that there is more. */
  async function readOn(): Promise<void> {
    if (isReading) return;
    isReading = true;
    try {
      take(await listEventsOfJob(pool, owned, lastSeq));
    } catch {
      // The database is away.
    } finally {
      isReading = false;
    }
  }
}

function isEnd({ kind }: JobEvent): boolean {
  return kind === 'job.completed' || kind === 'job.failed' || kind === 'job.cancelled';
}
