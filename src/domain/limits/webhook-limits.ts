/** The bounds of telling subscribers. */
export const webhookLimits = {
  webhookEndpointsMax: 20,
  webhookDescriptionCharsMax: 256,
  webhookTriesMax: 10,
  webhookConnectMsMax: 5_000,
  /** For a whole try. */
  webhookTryMsMax: 15_000,
  /** Of an answer's body: for the log, and only as long as it does not hold the next one up. */
  webhookAnswerBytesMax: 4 * 1024,
  webhookAnswerBodyMsMax: 1_000,
  webhookExcerptCharsMax: 500,
  webhookPayloadBytesMax: 20 * 1024,
  /** Longer than a try may take, so that nobody else begins it meanwhile. */
  webhookLeaseMs: 30_000,
  /** How long after its time the relay makes a try that is the workflow's. */
  webhookGraceMs: 600_000,
  /** What a receiver may ask for with Retry-After. */
  webhookRetryAfterMsMax: 24 * 3_600_000,
  /** For a receiver that says it is overloaded, and not until when. */
  webhookPauseMs: 10_000,
  /** Tries of one relay that are young, and those that have hung for so long that they hold no hand any more. */
  webhookHandsMax: 500,
  webhookHangMs: 300,
  webhookHangingMax: 4_000,
  /** At once to one receiver; one that fails is sent one. */
  webhooksOfReceiverMax: 4,
  /** At once to the `webhook_url`s of one tenant's jobs, a tenth of what may hang in a worker. */
  webhookUrlsOfTenantMax: 400,
  /** Receivers that one claim steps through. */
  webhookLinesOfClaimMax: 500,
  /** Statements of one worker for webhooks: it has some twenty connections for everything. */
  webhookQueriesAtOnceMax: 6,
  /** Workflows that one relay starts at once. */
  webhookStartsAtOnceMax: 10,
  /** Retries that one worker makes at once. */
  webhookRetriesAtOnceMax: 1_000,
  /** Times that one workflow wakes: its tries, and what finds nothing due. */
  webhookRoundsMax: 50,
  webhookBusyDelayMsMin: 5_000,
  webhookBusyDelayMsMax: 600_000,
  webhookSecretBytes: 32,
  webhookPreviousSecretHours: 24,
  webhookDaysKept: 30,
  /** Test calls of a tenant that one API process makes at once. */
  webhookTestsOfTenantMax: 2,
} as const;
