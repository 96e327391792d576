/** The bounds of lists, streams and waits. */
export const streamLimits = {
  /** Videos of one page of a list. */
  listedMax: 100,
  listedDefault: 20,
  /** A cursor of ours has some 150 characters. */
  cursorCharsMax: 512,
  /** For which `Prefer: wait` may keep an answer back. */
  preferWaitSecondsMax: 30,
  /** Streams of events that are open at once: of one API process, of a tenant and of a job there. */
  streamsMax: 10_000,
  streamsOfTenantMax: 5_000,
  streamsOfJobMax: 20,
  /** What a reader who does not keep up may leave in our memory, and how long, before it has to come back. */
  streamUnsentBytesMax: 256 * 1024,
  streamUnsentMsMax: 30_000,
  streamBeatEveryMs: 15_000,
  /** A key that was revoked has no stream of ours after that. */
  streamCheckEveryMs: 30_000,
  /** Before a client that was sent away may come back: spread, so that the next process does not get all at once. */
  streamRetryMsMin: 1_000,
  streamRetryMsMax: 5_000,
  /** For a WebSocket to say goodbye. */
  socketCloseMsMax: 2_000,
  /** What a client may send over a WebSocket, where it has nothing to say. */
  socketMessageBytesMax: 4 * 1024,
  /** Of a tenant, in one statement. */
  eventsReadMax: 500,
  /** Replayed at once, before the reader has to have taken them. */
  eventsReplayedMax: 200,
  /** Between two readings of new events, and without any word of them. */
  eventsReadGapMs: 10,
  eventsReadEveryMs: 1_000,
  eventsReadMsMax: 2_000,
  /** While a transaction under way keeps what was written after it from being told to a whole tenant. */
  eventsUnsettledMs: 25,
  /** Jobs that are read at once, and every so often, for the streams that follow them. */
  snapshotsReadMax: 100,
  snapshotsEveryMs: 100,
  snapshotsGapMs: 20,
  /** Of these those that are read without any word of a change, and places in line, which cost the most. */
  snapshotsUnaskedMax: 5,
  snapshotPlacesMax: 5,
  /** The same job, without any word of a change. */
  snapshotMsFresh: 2_000,
} as const;
