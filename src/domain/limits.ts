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
  /** Bytes of large bodies in memory at once. Parsing a picture out of JSON takes some four times as much. */
  uploadBytesMax: 256 * 1024 * 1024,
  formFieldsMax: 64,
  videoSecondsMax: 3_600,
  seedMax: 2_147_483_647,
  costUsdMax: 10_000,
  idempotencyKeyCharsMax: 255,
  idempotencyKeyDaysKept: 30,
  callbackBodyBytesMax: 256 * 1024,
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
} as const;
