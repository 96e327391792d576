import type { Database } from '../../src/db/pool.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { createVendorControl, type VendorCounts, type VendorPrediction } from './vendor-control.ts';

export interface Audited {
  readonly pool: Database;
  /** The simulator that the jobs were sent to. */
  readonly simulator: string;
  /** Ids that clients were given with a 202. */
  readonly accepted: readonly string[];
  /** Jobs that were lost with a restore of the database: vendors may have them, and no ledger does. */
  readonly lost?: readonly string[];
}

/**
 * What must always hold (design.md, section 7), by the ledger and by the provider's own books. Returns the violations, a
 * sentence each. To be called once things are quiet: every accepted job has ended and all mail is delivered.
 */
export async function audit({ pool, simulator, accepted, lost = [] }: Audited): Promise<readonly string[]> {
  return [...(await auditRecords({ pool, accepted })), ...(await auditVendor({ pool, simulator, lost }))];
}

/** The same by our own records alone. */
export async function auditRecords({ pool, accepted }: Omit<Audited, 'simulator'>): Promise<readonly string[]> {
  const violations: string[] = [];
  for (const { says, text, ofAccepted } of rules) {
    const { rows } = await pool.query<{ what: string }>(text, ofAccepted ? [accepted] : []);
    violations.push(...rows.map(({ what }) => `${says}: ${what}`));
  }
  return violations;
}

interface Rule {
  readonly says: string;
  /** A row a violation, `what` names it. */
  readonly text: string;
  readonly ofAccepted?: true;
}

const final = `('completed', 'failed', 'cancelled')`;
const finalEvent = `('job.completed', 'job.failed', 'job.cancelled')`;

const rules: readonly Rule[] = [
  {
    says: 'a job was accepted and is lost',
    text: `SELECT id AS what FROM unnest($1::text[]) AS accepted(id)
           WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = accepted.id)`,
    ofAccepted: true,
  },
  {
    says: 'an accepted job has not ended',
    text: `SELECT id || ' is ' || phase AS what FROM jobs WHERE id = ANY($1::text[]) AND phase NOT IN ${final}`,
    ofAccepted: true,
  },
  {
    says: 'a job is open after its deadline',
    text: `SELECT id || ' is ' || phase AS what FROM jobs
           WHERE finished_at IS NULL
             AND clock_timestamp() > coalesce(run_deadline, queue_deadline) + interval '1 minute' +
               CASE WHEN EXISTS (SELECT 1 FROM attempts WHERE attempts.job = jobs.id AND outcome = 'finished')
                    THEN ${limits.storeMsMax} ELSE 0 END * interval '1 millisecond'`,
  },
  {
    says: 'phase and end contradict each other',
    text: `SELECT id || ' is ' || phase AS what FROM jobs
           WHERE (phase IN ${final}) <> (finished_at IS NOT NULL)
              OR (phase = 'failed') <> (failure IS NOT NULL)
              OR (phase = 'completed') <> (served_attempt IS NOT NULL)`,
  },
  {
    says: 'phase and ledger contradict each other',
    text: `SELECT id || ' is ' || phase AS what FROM jobs
           WHERE (started_at IS NOT NULL) <> EXISTS (SELECT 1 FROM attempts WHERE attempts.job = jobs.id)
              OR (started_at IS NOT NULL) <> (run_deadline IS NOT NULL)
              OR (phase = 'queued' AND started_at IS NOT NULL)
              OR (phase IN ('in_progress', 'completed') AND started_at IS NULL)`,
  },
  {
    says: 'a job was completed by an attempt that made no video',
    text: `SELECT jobs.id || '.' || served_attempt AS what
           FROM jobs LEFT JOIN attempts served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
           WHERE phase = 'completed'
             AND (served.outcome IS DISTINCT FROM 'finished' OR served.ended_at > jobs.finished_at)`,
  },
  {
    says: 'a job was completed without a copy of its video',
    text: `SELECT jobs.id || '.' || served_attempt AS what
           FROM jobs LEFT JOIN assets served ON served.job = jobs.id AND served.attempt = jobs.served_attempt
           WHERE phase = 'completed'
             AND (served.stored_at IS NULL OR served.stored_at > jobs.finished_at OR served.removed_at < served.expires_at
               OR coalesce(served.bytes, 0) <= 0 OR served.sha256 IS NULL)`,
  },
  {
    says: 'a copy that serves nobody is kept',
    text: `SELECT assets.job || '.' || assets.attempt AS what FROM assets JOIN jobs ON jobs.id = assets.job
           WHERE jobs.finished_at IS NOT NULL AND stored_at IS NOT NULL AND removed_at IS NULL
             AND jobs.served_attempt IS DISTINCT FROM assets.attempt AND expires_at > jobs.finished_at + interval '1 second'`,
  },
  {
    says: 'ledger and story contradict each other on a copy',
    text: `SELECT assets.job || '.' || assets.attempt AS what
           FROM assets LEFT JOIN job_events ON job_events.job = assets.job AND job_events.kind IN ('asset.stored', 'asset.failed')
             AND (job_events.data ->> 'attempt')::int = assets.attempt
           GROUP BY assets.job, assets.attempt, stored_at, failure
           HAVING (stored_at IS NOT NULL) <> (count(*) FILTER (WHERE kind = 'asset.stored') = 1)
               OR (failure IS NOT NULL AND count(*) FILTER (WHERE kind = 'asset.failed') <> 1)`,
  },
  {
    says: 'the events of a job are not numbered from 1 to its last',
    text: `SELECT id || ' counts ' || event_seq || ', has ' || count(job_events.seq) AS what
           FROM jobs LEFT JOIN job_events ON job_events.job = jobs.id
           GROUP BY id, event_seq
           HAVING count(job_events.seq) <> event_seq OR min(job_events.seq) <> 1 OR max(job_events.seq) <> event_seq`,
  },
  {
    says: 'the story of a job does not begin with its acceptance',
    text: `SELECT jobs.id AS what FROM jobs
           WHERE NOT EXISTS (SELECT 1 FROM job_events WHERE job = jobs.id AND seq = 1 AND kind = 'job.queued')`,
  },
  {
    says: 'a job has not exactly the one final event of its phase',
    text: `SELECT id || ' is ' || phase || ', has ' || coalesce(string_agg(job_events.kind, ' '), 'none') AS what
           FROM jobs LEFT JOIN job_events ON job_events.job = jobs.id AND job_events.kind IN ${finalEvent}
           GROUP BY id, phase
           HAVING coalesce(string_agg(job_events.kind, ' '), '')
               <> CASE WHEN phase IN ${final} THEN 'job.' || phase ELSE '' END`,
  },
  {
    says: 'an attempt or a copy went on after the end of its job',
    text: `SELECT begun.job || '.' || (begun.data ->> 'attempt') AS what
           FROM job_events begun JOIN job_events ended ON ended.job = begun.job AND ended.kind IN ${finalEvent}
           WHERE begun.kind IN ('attempt.started', 'attempt.queued', 'asset.stored', 'asset.failed') AND begun.seq > ended.seq`,
  },
  {
    says: 'ledger and story contradict each other on an attempt',
    text: `SELECT told.job || '.' || told.attempt AS what
           FROM (SELECT job, (data ->> 'attempt')::int AS attempt,
                        count(*) FILTER (WHERE kind = 'attempt.started') AS started,
                        count(*) FILTER (WHERE kind = 'attempt.ended') AS ended
                 FROM job_events WHERE kind IN ('attempt.started', 'attempt.ended')
                 GROUP BY 1, 2) AS told
           FULL JOIN attempts ON attempts.job = told.job AND attempts.attempt = told.attempt
           WHERE told.started IS DISTINCT FROM 1
              OR attempts.job IS NULL
              OR told.ended <> (CASE WHEN attempts.ended_at IS NULL THEN 0 ELSE 1 END)`,
  },
  {
    says: 'ledger and story contradict each other on an ambiguous submit',
    text: `SELECT attempts.job || '.' || attempts.attempt AS what
           FROM attempts CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE kind = 'attempt.unknown') AS unknown,
                    array_agg(data ->> 'by' ORDER BY seq) FILTER (WHERE kind = 'attempt.resolved') AS by
             FROM job_events WHERE job_events.job = attempts.job AND (data ->> 'attempt')::int = attempts.attempt
           ) AS told
           WHERE unknown <> (CASE WHEN unknown_at IS NULL THEN 0 ELSE 1 END)
              OR resolved_by IS DISTINCT FROM by[cardinality(by)]
              OR cardinality(by) > (CASE WHEN by[1] LIKE 'grace%' THEN 2 ELSE 1 END)`,
  },
  {
    says: 'a second payment was risked, or not, by nobody’s policy',
    text: `SELECT job || '.' || attempt AS what FROM attempts
           WHERE possible_duplicate <> EXISTS (
             SELECT 1 FROM job_events WHERE job_events.job = attempts.job AND (
               (kind = 'attempt.resolved' AND (data ->> 'attempt')::int = attempts.attempt
                AND data ->> 'by' IN ('grace_resubmit', 'grace_fail'))
               -- By an operator, who forced it.
               OR (kind = 'job.repaired' AND data -> 'possible_duplicates' @> to_jsonb(attempts.attempt))))`,
  },
  {
    says: 'an operation was adopted twice',
    text: `SELECT provider || ' ' || operation AS what FROM attempts WHERE operation IS NOT NULL
           GROUP BY provider, operation HAVING count(*) > 1`,
  },
  {
    says: 'an attempt that may be under way holds no permit',
    text: `SELECT job || '.' || attempt AS what FROM attempts
           WHERE ended_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM permits WHERE permits.job = attempts.job AND permits.attempt = attempts.attempt)`,
  },
  {
    says: 'a permit has no live attempt',
    text: `SELECT permits.job || '.' || permits.attempt AS what
           FROM permits JOIN jobs ON jobs.id = permits.job
           LEFT JOIN attempts ON attempts.job = permits.job AND attempts.attempt = permits.attempt
           WHERE attempts.ended_at IS NOT NULL OR (attempts.job IS NULL AND jobs.finished_at IS NOT NULL)`,
  },
  {
    says: 'a permit of a job that has ended is not marked as a zombie',
    text: `SELECT permits.job || '.' || permits.attempt AS what FROM permits JOIN jobs ON jobs.id = permits.job
           WHERE jobs.finished_at IS NOT NULL AND permits.zombie_since IS NULL`,
  },
  {
    says: 'a pool holds more permits than its limit',
    text: `SELECT pools.id || ' holds ' || count(*) AS what FROM pools JOIN permits ON permits.pool = pools.id
           GROUP BY pools.id, outstanding_max HAVING count(*) > outstanding_max`,
  },
  {
    says: 'a job has several waiting tickets',
    text: `SELECT job || ' has ' || count(*) AS what FROM tickets GROUP BY job HAVING count(*) > 1`,
  },
  {
    says: 'a first ticket is not that of the acceptance',
    text: `SELECT job || '.' || attempt AS what FROM tickets WHERE (kind = 'first') <> (attempt = 1)`,
  },
  {
    says: 'a job that has ended still waits in line',
    text: `SELECT tickets.job AS what FROM tickets JOIN jobs ON jobs.id = tickets.job WHERE jobs.finished_at IS NOT NULL`,
  },
  {
    // What is leased is on its way: a deliverer that was killed holds it until the lease runs out.
    says: 'a job that has ended still has mail that nobody delivers',
    text: `SELECT mailbox.job || ' ' || mailbox.kind AS what FROM mailbox JOIN jobs ON jobs.id = mailbox.job
           WHERE jobs.finished_at IS NOT NULL AND mailbox.leased_until <= clock_timestamp()`,
  },
  {
    says: 'an idempotency key names a job that does not exist',
    text: `SELECT key AS what FROM idempotency_keys
           WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = idempotency_keys.job)`,
  },
  {
    says: 'an end was booked at a wrong cost',
    text: `SELECT job || '.' || attempt || ' cost ' || coalesce(cost_usd_micros::text, 'nothing') AS what
           FROM attempts JOIN jobs ON jobs.id = attempts.job
           CROSS JOIN LATERAL (SELECT jobs.route -> attempts.target::int -> 'bills' AS bills) AS own
           WHERE ended_at IS NOT NULL
             AND cost_usd_micros IS DISTINCT FROM CASE
               CASE WHEN outcome = 'finished' THEN 'full'
                    WHEN evidence = 'refusal' THEN 'none'
                    WHEN evidence = 'stop' THEN coalesce(own.bills ->> 'cancelled', 'full')
                    WHEN outcome = 'lost' OR evidence = 'longest_duration' THEN coalesce(own.bills ->> 'abandoned', 'full')
                    WHEN attempts.failure ->> 'code' IN ('moderation', 'invalid_input', 'media_fetch')
                      THEN coalesce(own.bills ->> 'refused', 'none')
                    ELSE coalesce(own.bills ->> 'failed', 'none') END
               WHEN 'full' THEN price_usd_micros ELSE 0 END`,
  },
  {
    says: 'a job cost more than it may',
    text: `SELECT job AS what FROM attempts JOIN jobs ON jobs.id = attempts.job
           WHERE request ? 'max_cost_usd'
           GROUP BY job, request ->> 'max_cost_usd'
           HAVING sum(cost_usd_micros) > (request ->> 'max_cost_usd')::numeric * 1000000`,
  },
  {
    says: 'a job that has ended still holds a part of a budget',
    text: `SELECT id AS what FROM jobs WHERE finished_at IS NOT NULL AND held_usd_micros IS NOT NULL`,
  },
  {
    says: 'what a tenant has committed on a day is not what its jobs of that day hold and have cost',
    text: `SELECT concat_ws(' ', tenant, day, coalesce(committed_usd_micros, 0), 'committed,', coalesce(known, 0), 'known') AS what
           FROM (
             SELECT tenant, (accepted_at AT TIME ZONE 'UTC')::date AS day, sum(usd_micros) AS known
             FROM (
               SELECT job, reserved_usd_micros AS usd_micros FROM tickets
               UNION ALL SELECT job, reserved_usd_micros FROM permits
               UNION ALL SELECT id, held_usd_micros FROM jobs
               UNION ALL SELECT job, coalesce(cost_usd_micros, 0) FROM attempts
                         WHERE ended_at IS NOT NULL AND reserved_usd_micros IS NOT NULL
             ) AS parts JOIN jobs ON jobs.id = parts.job
             WHERE usd_micros IS NOT NULL
             GROUP BY 1, 2
           ) AS books
           FULL JOIN (
             SELECT tenant, starts_on AS day, committed_usd_micros
               - coalesce((SELECT sum(usd_micros) FROM spending_refunds
                           WHERE spending_refunds.tenant = spending.tenant AND on_day = starts_on), 0) AS committed_usd_micros
             FROM spending WHERE period = 'day'
           ) AS days USING (tenant, day)
           WHERE coalesce(committed_usd_micros, 0) <> coalesce(known, 0)`,
  },
  {
    says: 'what a tenant has committed in a month is not the sum of its days',
    text: `SELECT concat_ws(' ', tenant, month) AS what
           FROM (SELECT tenant, date_trunc('month', starts_on::timestamp)::date AS month, sum(committed_usd_micros) AS sum
                 FROM spending WHERE period = 'day' GROUP BY 1, 2) AS days
           FULL JOIN (SELECT tenant, starts_on AS month, committed_usd_micros FROM spending WHERE period = 'month') AS months
             USING (tenant, month)
           WHERE sum IS DISTINCT FROM committed_usd_micros`,
  },
  {
    says: 'a tenant has committed more than its budget',
    text: `SELECT concat_ws(' ', tenant, period, starts_on, committed_usd_micros) AS what
           FROM spending JOIN tenants ON tenants.id = spending.tenant
           WHERE committed_usd_micros > CASE period WHEN 'day' THEN day_budget_usd_micros ELSE month_budget_usd_micros END`,
  },
  {
    says: 'the budget does not add up',
    text: `SELECT committed || ' committed, ' || known || ' spent or reserved, cap ' || cap_usd_micros AS what
           FROM (SELECT cap_usd_micros,
                        committed_usd_micros - (SELECT coalesce(sum(usd_micros), 0) FROM refunds) AS committed,
                        (SELECT coalesce(sum(cost_usd_micros), 0) FROM attempts)
                          + (SELECT coalesce(sum(usd_micros), 0) FROM pruned_usage)
                          + (SELECT coalesce(sum(price_usd_micros), 0) FROM permits) AS known
                 FROM budgets WHERE id = 'global' AND cap_usd_micros IS NOT NULL) AS budget
           WHERE committed <> known OR committed > cap_usd_micros`,
  },
];

interface LedgerRow {
  readonly id: string;
  readonly token: string;
  readonly provider: string;
  readonly state: string;
  readonly operation: string | null;
  readonly submittedAtMs: number;
  readonly outcome: string | null;
  readonly evidence: string | null;
  readonly hasPermit: boolean;
  readonly serves: boolean;
}

async function auditVendor({
  pool,
  simulator,
  lost,
}: Required<Pick<Audited, 'pool' | 'simulator' | 'lost'>>): Promise<readonly string[]> {
  const vendor = createVendorControl(simulator);
  // The provider first: a row of ours is older than anything that it knows.
  const [counts, allSubmits, all] = await Promise.all([vendor.counts(), vendor.submits(), vendor.predictions()]);
  const isOurs = ({ correlation }: { readonly correlation?: string | null }): boolean =>
    !lost.some((id) => correlation?.startsWith(`${id}.`) === true);
  const [submits, predictions] = [allSubmits.filter(isOurs), all.filter(isOurs)];
  const ledger = await readLedger(pool);
  const violations = [...(await auditLimits(pool, counts))];

  const submitted = new Map<string, number>();
  for (const { webhook, correlation = '', submits: count } of submits) {
    submitted.set(correlation, (submitted.get(correlation) ?? 0) + count);
    const row = ledger.byId.get(correlation);
    if (row === undefined || !webhook.endsWith(`/${row.token}`))
      violations.push(`a submit has no row in the ledger: ${correlation}`);
  }
  for (const [id, count] of submitted)
    if (count > 1) violations.push(`an attempt was submitted more than once: ${id} ${count} times`);
  const ambiguous = [...ledger.byId.values()].filter((row) => row.state === 'unknown' && row.operation === null);
  for (const prediction of predictions) {
    const row = rowOf(ledger, prediction) ?? takeAmbiguous(ambiguous, prediction);
    violations.push(...auditPrediction(row, prediction));
  }
  return [...violations, ...auditLedger(ledger, predictions)];
}

async function auditLimits(pool: Database, counts: VendorCounts): Promise<readonly string[]> {
  const { rows } = await pool.query<{ provider: string; outstanding: number; perMinute: number }>(
    `SELECT provider, sum(outstanding_max)::int AS outstanding, sum(per_minute_max)::int AS "perMinute"
     FROM pools GROUP BY provider`,
  );
  return rows.flatMap(({ provider, outstanding, perMinute }) => {
    const seen = counts.by_vendor[provider];
    const violations: string[] = [];
    if (seen !== undefined && seen.outstanding_max > outstanding)
      violations.push(`more was outstanding at ${provider} than its limit: ${seen.outstanding_max}`);
    if (seen !== undefined && seen.started_per_minute_max > perMinute)
      violations.push(`more was started in a minute at ${provider} than its limit: ${seen.started_per_minute_max}`);
    return violations;
  });
}

interface Ledger {
  readonly byId: ReadonlyMap<string, LedgerRow>;
  readonly byOperation: ReadonlyMap<string, LedgerRow>;
}

async function readLedger(pool: Database): Promise<Ledger> {
  const { rows } = await pool.query<LedgerRow>(
    `SELECT a.job || '.' || a.attempt AS id, a.token, a.provider, a.state, a.operation, a.outcome, a.evidence,
            (extract(epoch FROM a.submitted_at) * 1000)::float8 AS "submittedAtMs",
            EXISTS (SELECT 1 FROM permits p WHERE p.job = a.job AND p.attempt = a.attempt) AS "hasPermit",
            jobs.phase = 'completed' AND jobs.served_attempt = a.attempt AS serves
     FROM attempts a JOIN jobs ON jobs.id = a.job`,
  );
  return {
    byId: new Map(rows.map((row) => [row.id, row])),
    byOperation: new Map(rows.flatMap((row) => (row.operation === null ? [] : [[row.operation, row]]))),
  };
}

const clockToleranceMs = 5;

function rowOf({ byId, byOperation }: Ledger, { id, correlation }: VendorPrediction): LedgerRow | undefined {
  return correlation === null ? byOperation.get(id) : byId.get(correlation);
}

/**
 * A vendor that neither calls back nor lists says of nothing whose it is. What it made after an ambiguous submit is in
 * the ledger as just that; each such row accounts for one.
 */
function takeAmbiguous(
  rows: LedgerRow[],
  { vendor, correlation, created_at }: VendorPrediction,
): LedgerRow | undefined {
  if (correlation !== null) return undefined;
  const index = rows.findIndex(
    (row) => row.provider === vendor && row.submittedAtMs - clockToleranceMs <= Date.parse(created_at),
  );
  return index === -1 ? undefined : rows.splice(index, 1)[0];
}

function auditPrediction(row: LedgerRow | undefined, prediction: VendorPrediction): readonly string[] {
  const { id, correlation, status, created_at } = prediction;
  if (row === undefined) return [`the provider made something that is not in the ledger: ${correlation ?? id}`];
  const violations: string[] = [];
  if (Date.parse(created_at) < row.submittedAtMs - clockToleranceMs)
    violations.push(`the ledger row came after the submit: ${row.id}`);
  if (row.operation !== null && row.operation !== id)
    violations.push(`the ledger has another operation than the provider: ${row.id}`);
  if (row.state === 'refused') violations.push(`the ledger says refused, the provider made it: ${row.id}`);
  const isRunning = status === 'created' || status === 'processing';
  // The longest duration is proof by our own word only: a provider that hangs for ever can't hold a slot for ever.
  if (isRunning && !row.hasPermit && row.evidence !== 'longest_duration')
    violations.push(`a job runs at the provider without a permit: ${row.id}`);
  // Of what nobody can tell us whose it is we can't know the end either: that permit waits for the longest duration.
  const isKnown = correlation !== null || row.operation !== null;
  if (!isRunning && row.hasPermit && isKnown) violations.push(`a permit outlives its job at the provider: ${row.id}`);
  return violations;
}

function auditLedger({ byOperation }: Ledger, predictions: readonly VendorPrediction[]): readonly string[] {
  const statuses = new Map(predictions.map(({ id, status }) => [id, status]));
  return [...byOperation].flatMap(([operation, { id, outcome, serves }]) => {
    const status = statuses.get(operation);
    if (status === undefined) return [`the ledger has an operation that the provider does not know: ${id}`];
    const isForged = (outcome === 'finished' || serves) && status !== 'completed';
    return isForged ? [`the ledger says finished, the provider says ${status}: ${id}`] : [];
  });
}
