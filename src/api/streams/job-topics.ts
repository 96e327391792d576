import type { TenantEvent } from '../../db/jobs/events.ts';
import type { JobEvent } from '../../db/jobs/read-jobs.ts';
import type { JobId, OwnedJob } from '../../domain/job.ts';
import { createSnapshots, type ReadSnapshot, type Snapshot } from './snapshots.ts';
import type { Following, Tail } from './tail.ts';

/** Told of one job, by whatever way the news came. */
export interface JobFollower {
  /** There is an event, of which there may have been others before, and which may come again. */
  onEvent(event: JobEvent): void;
  /** How the job stood a moment ago, whether or not that is new. */
  onSnapshot(snapshot: Snapshot): void;
  /** There is no such job any more. */
  onGone(): void;
}

/** The jobs that somebody follows, each read once for all who do. */
export interface JobTopics {
  /** Resolves once nothing that happens from now on can be missed. */
  join(owned: OwnedJob, follower: JobFollower): Promise<{ leave(): void }>;
  /** How many follow a job. */
  count(id: JobId): number;
  stop(): void;
}

interface Topic {
  readonly owned: OwnedJob;
  readonly followers: Set<JobFollower>;
  /** Of the last event that was told. */
  lastSeq: number;
}

export function createJobTopics(tail: Tail, read: ReadSnapshot): JobTopics {
  const topics = new Map<JobId, Topic>();
  const followings = new Map<string, { jobs: number; readonly following: Promise<Following> }>();
  const snapshots = createSnapshots(read, (id, snapshot) => tellSnapshot(topics.get(id), snapshot));

  return {
    async join(owned, follower) {
      const topic = topics.get(owned.id) ?? { owned, followers: new Set(), lastSeq: 0 };
      topics.set(owned.id, topic);
      topic.followers.add(follower);
      if (topic.followers.size === 1) snapshots.add(owned.id);
      const leave = (): void => part(topic, follower);
      try {
        await enter(owned.tenant);
      } catch (error) {
        leave();
        throw error;
      }
      let hasLeft = false;
      return {
        leave() {
          if (hasLeft) return;
          hasLeft = true;
          leave();
          exit(owned.tenant);
        },
      };
    },
    count: (id) => topics.get(id)?.followers.size ?? 0,
    stop() {
      snapshots.stop();
      topics.clear();
    },
  };

  function part(topic: Topic, follower: JobFollower): void {
    topic.followers.delete(follower);
    if (topic.followers.size > 0 || topics.get(topic.owned.id) !== topic) return;
    topics.delete(topic.owned.id);
    snapshots.remove(topic.owned.id);
  }

  /** All jobs of a tenant are found in one reading of its events. */
  async function enter(tenant: string): Promise<void> {
    const known = followings.get(tenant) ?? { jobs: 0, following: followTail(tenant) };
    followings.set(tenant, known);
    known.jobs += 1;
    await known.following.catch((error: unknown) => {
      if (followings.get(tenant) === known) followings.delete(tenant);
      throw error;
    });
  }

  /** By a function of its own each time: the end of one must not be the end of the next, which may begin before. */
  function followTail(tenant: string): Promise<Following> {
    return tail.follow(tenant, (events) => tellEvents(events));
  }

  function exit(tenant: string): void {
    const known = followings.get(tenant);
    if (known === undefined || (known.jobs -= 1) > 0) return;
    followings.delete(tenant);
    void known.following.then((following) => following.end());
  }

  function tellEvents(events: readonly TenantEvent[]): void {
    for (const event of events) {
      const topic = topics.get(event.job);
      if (topic === undefined || event.seq <= topic.lastSeq) continue;
      topic.lastSeq = event.seq;
      snapshots.ask(event.job);
      for (const follower of topic.followers) follower.onEvent(event);
    }
  }
}

function tellSnapshot(topic: Topic | undefined, snapshot: Snapshot | undefined): void {
  for (const follower of topic?.followers ?? []) {
    if (snapshot === undefined) follower.onGone();
    else follower.onSnapshot(snapshot);
  }
}
