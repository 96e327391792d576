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
  /** Rows that one activity of retention takes on, of each kind. */
  retentionBatchMax: 500,
  /** Of each kind that one activity finds impossible to remove before it gives up on the rest. */
  retentionStuckMax: 2_500,
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
  idempotencyKeyCharsMax: 255,
  idempotencyKeyDaysKept: 30,
  callbackBodyBytesMax: 256 * 1024,
  /** Between the clock of a signed callback and ours, either way: an older one may be a replay. */
  callbackClockSecondsMax: 300,

  callerUrlCharsMax: 2_048,
  vendorUrlCharsMax: 4_096,
  vendorAnswerBytesMax: 1_048_576,
  /** Of a vendor's list of operations, in the search for one of ours. */
  vendorListPagesMax: 100,
  vendorListCursorCharsMax: 1_024,
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
  acceptTriesMax: 4,
  /** Batches that are under way at once. */
  acceptFlightsMax: 2,
  /** For one try, so that a silent database leaves time for another. */
  acceptTryMsMax: 1_200,
  /** What all statements of one request may take together: with the rest of it an answer stays below two seconds. */
  databaseWaitMsMax: 1_500,

  targetsOfRouteMax: 8,
  attemptsOfJobMax: 40,
  rateLimitedTriesOfTargetMax: 8,
  unreachableTriesOfTargetMax: 3,
  failedTriesOfTargetMax: 2,
  retryDelayMsMin: 1_000,
  retryDelayMsMax: 60_000,
  retryAfterMsMax: 600_000,

  grantsOfPassMax: 50,
  grantHorizonMs: 400,
  overlapShareOfGrants: 0.1,
  overlapTokensMax: 10,
  overlapTokenEveryMs: 60_000,

  mailLeaseSeconds: 30,
  callbackChecksPerAttemptEveryMs: 5_000,

  /** Of the keys that a vendor publishes to prove its callbacks by. */
  publishedKeysBytesMax: 64 * 1024,
  publishedKeysMax: 20,
  publishedKeysMsKept: 24 * 3_600_000,
  publishedKeysAskedEveryMs: 60_000,
  publishedKeysAnswerMsMax: 5_000,
} as const;
