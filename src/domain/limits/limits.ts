import { ageLimits } from './age-limits.ts';
import { buildLimits } from './build-limits.ts';
import { controlLimits } from './control-limits.ts';
import { storyLimits } from './story-limits.ts';
import { streamLimits } from './stream-limits.ts';
import { stuckLimits } from './stuck-limits.ts';
import { webhookLimits } from './webhook-limits.ts';

/** Every bound of the system, in one place, with its unit in its name. */
export const limits = {
  promptCharsMax: 5_000,
  negativePromptCharsMax: 2_500,
  callerCharsMax: 128,
  metadataEntriesMax: 16,
  metadataKeyCharsMax: 64,
  metadataValueCharsMax: 512,
  jsonDepthMax: 32,
  jsonBodyBytesMax: 64 * 1024,
  imageBytesMax: 10 * 1024 * 1024,
  imagePixelsMax: 40_000_000,
  /** What is read of an uploaded picture to check it. */
  imageHeadBytesMax: 256 * 1024,
  /** Of the longer side of a picture as vendors get it. */
  preparedSidePixelsMax: 4_096,
  prepareSecondsMax: 20,
  /** Pictures that one process decodes at once: each has a thread of libuv's four, and the files need the others. */
  preparedAtOnceMax: 2,
  /** Pictures that one process reads from callers' URLs at once, each in memory until it is prepared. */
  inputFetchesAtOnceMax: 32,
  inputFetchMsMax: 15_000,
  /** In line for either of the two. */
  inputLineMsMax: 20_000,
  /** For a vendor to read a picture from where it lies. */
  inputLinkSecondsValid: 24 * 3_600,
  /** For a signed PUT to begin. */
  uploadLinkSecondsValid: 900,
  /** For the upload to be named in a request. */
  uploadSecondsKept: 24 * 3_600,
  /** For the bytes of a signed PUT: less than the server gives a whole request, so that there is an answer. */
  uploadMsMax: 55_000,
  /** For the object store to answer within a request. */
  storeWaitMsMax: 10_000,
  contentLinkSecondsValid: 300,
  /** How long the reader of a video may take nothing. */
  contentIdleMsMax: 60_000,
  /** Bytes of large bodies in memory at once. Parsing a picture out of JSON takes some four times as much. */
  uploadBytesMax: 256 * 1024 * 1024,
  formFieldsMax: 64,
  videoSecondsMax: 3_600,
  /** Of a finished video, as its vendor serves it. */
  assetBytesMax: 1024 * 1024 * 1024,
  /** For the copy of a finished video, all tries together: the shortest time that a vendor keeps one. */
  storeMsMax: 3_600_000,
  /** For one try. */
  storeTryMsMax: 900_000,
  /** Copies that one worker makes at once. */
  storesAtOnceMax: 20,
  /** How often a file may be missing at its vendor, right after it was announced, before it counts as gone. */
  missingTriesOfAssetMax: 3,
  /** How often its server may have an address that nobody may dial, over some three minutes, before that is no accident. */
  refusedTriesOfAssetMax: 8,
  /** Rows that retention takes on at once, and how often in one activity, of each kind; a kind has so long to begin a batch. */
  retentionBatchMax: 500,
  retentionBatchesMax: 10,
  removalsMsMax: 30_000,
  /** Of each kind that one activity finds impossible to remove before it gives up on the rest. */
  retentionStuckMax: 2_500,
  /** Late jobs that one sweep finds impossible to end before it gives up on the rest. */
  sweepStuckMax: 1_000,
  /** Activities of one run of retention: the next run goes on. */
  retentionRoundsMax: 100,
  /** Objects that are removed at once. */
  removalsAtOnceMax: 20,
  retentionEveryMs: 600_000,
  /** What an upload to S3 has in memory at once, and the least that is sent in parts. S3 wants 5 MiB or more. */
  objectPartBytes: 8 * 1024 * 1024,
  objectSocketsMax: 100,
  objectTriesMax: 3,
  objectConnectMsMax: 5_000,
  objectIdleMsMax: 30_000,
  /** From the first byte of a request to the object store until the head of its answer: a part at 70 kB/s. */
  objectAnswerMsMax: 120_000,
  /** For tidying up behind an upload that failed. */
  objectAbandonMsMax: 10_000,
  /** A part of a file that nobody has touched for so long belongs to a process that was killed. */
  objectPartAgeMsMax: 86_400_000,
  seedMax: 2_147_483_647,
  costUsdMax: 10_000,
  /** How long a browser may remember what it was told by OPTIONS. */
  preflightSecondsKept: 7_200,
  idempotencyKeyCharsMax: 255,
  idempotencyKeyDaysKept: 30,
  /** For a numbered retry without a key to be taken for one of an earlier request that is alike. */
  inferredRetryMsMax: 120_000,

  /** For what lies outside of the database to be gone, before a deletion is answered with what is still to come. */
  eraseAnswerMsMax: 2_000,
  eraseAnswerEveryMs: 50,
  /** Deletions that one worker completes at once, and for how long each is nobody else's. */
  erasuresAtOnceMax: 10,
  eraseLeaseMs: 120_000,
  /** Between two looks at a job that has not ended, here or at its vendor. */
  eraseLookMs: 2_000,
  eraseLookMsMax: 60_000,
  /** Between two tries that failed, doubled each time; and how many of them a vendor gets. */
  eraseRetryMsMin: 5_000,
  eraseRetryMsMax: 3_600_000,
  eraseTriesMax: 40,
  /** Whatever was being written when the job ended has been given up by then. */
  eraseLastLookMs: 86_400_000,
  /** Of a path that an answer repeats. */
  instanceCharsMax: 256,
  callbackBodyBytesMax: 256 * 1024,
  /** Between the clock of a signed callback and ours, either way: an older one may be a replay. */
  callbackClockSecondsMax: 300,

  callerUrlCharsMax: 2_048,
  vendorUrlCharsMax: 4_096,
  vendorAnswerBytesMax: 1_048_576,
  /** Of a vendor's list of operations, in the search for one of ours. */
  vendorListPagesMax: 100,
  vendorListCursorCharsMax: 1_024,
  /** Between a vendor's clock and ours, either way, where a moment in its list tells what may be ours. */
  vendorClockMsMax: 60_000,
  /** All of a vendor's models with their schemas. */
  vendorCatalogueBytesMax: 64 * 1024 * 1024,
  /** Between two pieces of an answer that has begun. */
  vendorAnswerIdleMsMax: 10_000,
  remoteConnectMsMax: 10_000,
  remoteFirstByteMsMax: 30_000,
  remoteIdleMsMax: 30_000,
  /** For a whole file, however slowly its reader takes it. */
  remoteDownloadMsMax: 30 * 60_000,
  remoteUploadMsMax: 60_000,
  /** Of the answer to an upload. */
  remoteUploadAnswerBytesMax: 64 * 1024,

  queueTtlSecondsMin: 10,
  queueTtlSecondsDefault: 24 * 3_600,
  queueTtlSecondsMax: 7 * 24 * 3_600,
  patienceSecondsMin: 60,
  patienceSecondsMax: 3_600,

  acceptBatchJobsMax: 200,
  acceptBacklogJobsMax: 5_000,
  /** Users of a tenant whose turns are drawn together at once, under the lock of their pool. */
  drawnTogetherMax: 20_000,
  /** Tenants and their users of whom an API process knows how many jobs wait. */
  queueCountsMax: 10_000,
  /** How old a count of jobs may be, and for how long a request waits for a new one. */
  jobCountMsFresh: 500,
  jobCountMsFreshMax: 5_000,
  jobCountMsMax: 400,
  /** Of open jobs of a tenant that has a limit: what is read of them is bounded by it. */
  outstandingCountedMax: 1_000_000,
  /** Tenants of whom an API process knows how many requests they have left. */
  tenantsMetMax: 10_000,
  /** For a lease of requests; without an answer the process lets in by itself. */
  requestLeaseMsMax: 300,

  /** Requests under way in one API process: at most, and however late it is; see domain/in-flight-limit.ts. */
  inFlightMax: 500,
  inFlightMin: 100,
  inFlightGrowthPerSecond: 400,
  /** Of the limit, that is kept at least when it is made smaller. */
  inFlightShareMin: 0.5,
  /** From its first request on a process is late because its code is cold, which passes. */
  coldMsMax: 5_000,
  /** How late the process may come to its work before it takes on less: refusals are to be told within 50 ms. */
  loopLagMsMax: 30,
  /** Of providers, who are shed last. */
  callbacksInFlightMax: 2_000,
  /** A request whose body takes longer to arrive waits for its client, and not for us. */
  bodyMsQuick: 500,
  /** Of a body that is refused unread, and yet read to its end, so that its client sees the answer. */
  refusedBodyBytesMax: 32 * 1024 * 1024,
  acceptTriesMax: 4,
  /** Batches that are under way at once. */
  acceptFlightsMax: 2,
  /** Between two batches: each costs Postgres some 0.4 ms, however few its jobs. */
  acceptEveryMs: 5,
  /** For one try, so that a silent database leaves time for another. */
  acceptTryMsMax: 1_200,
  /** What all statements of one request may take together: with the rest of it an answer stays below two seconds. */
  databaseWaitMsMax: 1_500,

  /** A tenant has one key in use, and a second one while it changes over. */
  activeKeysMax: 2,
  keySecondsValidMin: 60,
  keySecondsValidMax: 3_650 * 24 * 3_600,
  /** From a key's revocation until no process takes it any more. */
  keyServedMsMax: 60_000,
  /** After that a key that is in use is looked at again. */
  keyFreshMs: 30_000,
  /** For so long it is believed that there is no such key. */
  keyAbsentMs: 5_000,
  keyNotedEveryMs: 60_000,
  tenantLimitsFreshMs: 5_000,
  clientTokenSecondsValid: 24 * 3_600,
  /** Keys, tenants and owners of jobs that a process remembers, of each as many, and as many that do not exist. */
  lookupsKeptMax: 10_000,
  lookupEveryMs: 5,
  /** Of one statement. */
  lookupNamesMax: 5_000,
  /** With the other statements of a request: an answer within two seconds. */
  lookupWaitMsMax: 500,
  lookupRetryMs: 1_000,

  targetsOfRouteMax: 8,
  /** Each of them is a few kilobytes. */
  plansRememberedMax: 500,
  attemptsOfJobMax: 40,
  rateLimitedTriesOfTargetMax: 8,
  unreachableTriesOfTargetMax: 3,
  failedTriesOfTargetMax: 2,
  retryDelayMsMin: 1_000,
  retryDelayMsMax: 60_000,
  retryAfterMsMax: 600_000,

  grantsOfPassMax: 50,
  grantHorizonMs: 400,
  /** Heads that are looked at beyond those that may be granted, where a cap on spending may keep some from it. */
  budgetLookMax: 50,
  /** What came back to tenants' budgets, folded at once. */
  refundsFoldedMax: 5_000,
  foldRefundsEveryMs: 1_000,
  /** Tenants of whom the API remembers when that was done for them. */
  foldedTenantsMax: 10_000,
  /** Before a ticket that its tenant's budget has no room for is looked at again. */
  overBudgetParkMs: 10_000,
  usageDaysMax: 92,
  /** For a report on so many days. */
  usageReadMsMax: 5_000,
  /** Flows that nobody waits in, removed at once under the pool's lock: some ten milliseconds of it. */
  idleFlowsForgottenMax: 5_000,
  idleFlowsRoundsMax: 40,
  /** Before a limit that was refused is tried again; doubled each time that it is refused anew. */
  learnedProbeDelayMsMin: 30_000,
  learnedProbeDelayMsMax: 900_000,
  learnedRateProbeDelayMsMin: 60_000,
  learnedRateProbeDelayMsMax: 1_800_000,
  /** Tickets that one pass moves to other targets. */
  spillsOfPassMax: 50,
  /** Tickets of a flow that a pass looks through for such as may move. */
  spillLookMax: 200,
  /** Tickets that are counted of a line: more than ever may wait ahead there. */
  spillWaitingMax: 100,
  /** Who may wait at a target for slots that are not free yet: a share of its account's, so that none is idle between passes. */
  spillAheadShare: 0.1,
  spillAheadMax: 20,
  /** Before a line of which nobody could be moved is looked at again. */
  spillVainMs: 500,
  overlapShareOfGrants: 0.1,
  overlapTokensMax: 10,
  overlapTokenEveryMs: 60_000,

  /** What a breaker opens by: at least so many failures, and at least this share, in the last moments or the window. */
  breakerBadMin: 7,
  breakerBadShare: 0.5,
  /** Where nothing has gone well in the whole window. */
  breakerBadAloneMin: 3,
  breakerRecentMs: 10_000,
  /** Of a target that is less busy the last ones, as far as the window goes. */
  breakerRecentMin: 10,
  breakerWindowMs: 120_000,
  /** The newest answers, and the newest ends, of a target that are looked at once a second. */
  breakerRowsMax: 500,
  /** Permits of a target that are looked at once a second, among those old enough to be late. */
  breakerPermitsMax: 1_000,
  /** Doubled with each reopening. A target that refuses is asked again soon; one that hangs keeps every probe for long. */
  breakerPauseMsMin: 5_000,
  submitPauseMsMax: 40_000,
  outcomePauseMsMax: 300_000,
  /** Closed for so long, a breaker begins with the shortest pause again. */
  breakerForgetMs: 600_000,
  /** For the answer to a POST, before it counts as none. */
  submitSlowMs: 10_000,
  /** After that a POST without an answer is forgotten by a worker of ours, not by the vendor. */
  submitLostMs: 45_000,
  /** Ends that were to be expected, and did not come: a target that hangs. */
  silentEndsMin: 10,
  /** After Temporal was away nobody had asked the vendors for a while: so long until their silence is theirs again. */
  deafMs: 30_000,
  /** Attempts under way for longer than that times p95 are overdue. */
  overdueFactor: 1.25,
  /** Beyond p95, at least: for targets that take next to no time. */
  overdueMsMin: 3_000,
  /** Videos that a sketch of durations is made of, how often, and how many ends it looks through for them. */
  durationsOfSketchMax: 300,
  durationRowsMax: 1_000,
  durationsEveryMs: 10_000,
  /** What the catalogue's figures count, in videos. */
  durationPriorWeight: 20,
  /** Videos observed, before the silence of a target means anything. */
  durationsKnownMin: 50,

  /** A line is counted ahead of a place up to so many, and within its own bucket up to so many; see db/scheduler/depths.ts. */
  placesAheadCountedMax: 256,
  placesBehindCountedMax: 500,
  /** Lines below it have no buckets: less than what is counted. */
  depthTicketsMin: 200,
  /** Of a new bucket: at least, and as a share of its line. */
  depthTicketsOfBucketMin: 32,
  depthShareOfBucket: 1 / 256,
  depthsForgottenMax: 10_000,
  /** How old the view of a line may be that places are told by; a share of the time goes into reading it. */
  lineViewMsMin: 500,
  lineViewMsMax: 10_000,
  lineViewTimeShare: 0.05,
  lineReadMsMax: 900,
  lineWaitMsMax: 400,
  /** How old a view may be that a new job's wait is told by, as a share of what it may wait. */
  lineAgeShareOfTtl: 0.001,
  /** By what share the pace of a line may be off: as observed, at least, and as it is to be expected. */
  drainDoubtMin: 0.01,
  drainDoubtMax: 0.1,
  /** As a share of what is to be expected: a line that has stood still for long will not stand for ever. */
  drainPaceMin: 0.01,
  drainSampleEveryMs: 5_000,
  drainWindowMs: 600_000,

  /** What the capacity planner takes on: a few seconds of one processor for each hundred thousand. */
  plannedJobsMax: 1_000_000,
  plannedSecondsMax: 7 * 24 * 3_600,

  /** Jobs that one statement reads for as many requests, and such statements at once. */
  batchReadMax: 100,
  batchReadFlightsMax: 3,

  mailLeaseSeconds: 30,
  callbackChecksPerAttemptEveryMs: 5_000,
  /** What Temporal UI may have translated at once: a page of a history. */
  codecBodyBytesMax: 8 * 1024 * 1024,
  codecPayloadsMax: 5_000,
  /** Between two answers of one process to `npm run doctor`. */
  callbackEchoEveryMs: 100,
  /** Between two notes of one process that a provider's callback was read in the same way. */
  callbackNotesEveryMs: 5_000,

  /** Of the keys that a vendor publishes to prove its callbacks by. */
  publishedKeysBytesMax: 64 * 1024,
  publishedKeysMax: 20,
  publishedKeysMsKept: 24 * 3_600_000,
  publishedKeysAskedEveryMs: 60_000,
  publishedKeysAnswerMsMax: 5_000,

  /** Names of other people's: asked for at once by one process, for so long, by one question for so long. */
  lookupsAtOnceMax: 500,
  lookupMsMax: 5_000,
  lookupTryMsMax: 2_000,

  /** Of a file that a `NAME_FILE` variable names. */
  secretFileBytesMax: 64 * 1024,

  ...ageLimits,
  ...buildLimits,
  ...controlLimits,
  ...storyLimits,
  ...streamLimits,
  ...stuckLimits,
  ...webhookLimits,
} as const;
