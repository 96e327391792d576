/** Series as promtool writes them: `first+growth x times`, a value a minute. */
export type Series = Readonly<Record<string, string>>;

interface AlertCase {
  /** Two hours of trouble, after which it has to have fired. */
  readonly fires: Series;
  /** Other trouble that has to have the same end: all at once after quiet, or with a series that nobody tells. */
  readonly firesToo?: Series;
  /** Two hours that are alike and in order, or nearly so. */
  readonly quiet: Series;
}

const stuck = (cause: string): string => `spillway_stuck_jobs{cause="${cause}",instance="a"}`;
const oldest = (cause: string): string => `spillway_stuck_oldest_seconds{cause="${cause}",instance="a"}`;
const always = (value: number): string => `${value}x120`;
/** So many more a minute. */
const growing = (growth: number): string => `0+${growth}x120`;

const request = (status: number): string =>
  `spillway_api_request_seconds_count{method="POST",route="/v1/videos",status="${status}"}`;
/** Of a hundred a minute so many within 200 ms. */
const accepts = (good: number): Series => {
  const upTo = (le: string): string =>
    `spillway_api_request_seconds_bucket{method="POST",route="/v1/videos",status="202",le="${le}"}`;
  return {
    [upTo('0.2')]: growing(good),
    [upTo('0.3')]: growing(100),
    [upTo('+Inf')]: growing(100),
    [request(202)]: growing(100),
  };
};
/** Of a hundred a minute so many within 5 s. */
const firstTries = (good: number): Series => {
  const upTo = (le: string): string => `spillway_webhook_first_try_lag_seconds_bucket{le="${le}"}`;
  return { [upTo('5')]: growing(good), [upTo('10')]: growing(100), [upTo('+Inf')]: growing(100) };
};
const limit = (state: string): string => `spillway_pool_limit{pool="fal",state="${state}"}`;
const permits = (state: string): string => `spillway_pool_permits{pool="fal",state="${state}"}`;
const polls = (name: string): string => `temporal_long_request_${name}{operation="PollWorkflowTaskQueue",instance="a"}`;
const slots = (instance: string): string =>
  `temporal_worker_task_slots_available{task_queue="spillway-assets",worker_type="ActivityWorker",instance="${instance}"}`;

/** What has to fire each rule, and what must not. */
export const alertCases: Readonly<Record<string, AlertCase>> = {
  SpillwayWorkflowTasksFailing: {
    fires: { [stuck('workflow_task_failing')]: always(1) },
    quiet: { [stuck('workflow_task_failing')]: always(0) },
  },
  SpillwayAnswersLost: {
    fires: {
      'spillway_unknown_submits_total{target="fal/a"}': growing(1),
      'spillway_submits_total{target="fal/a"}': growing(10),
    },
    firesToo: {
      'spillway_unknown_submits_total{target="fal/a"}': '0x110 50x10',
      'spillway_submits_total{target="fal/a"}': '0x110 50x10',
    },
    quiet: {
      'spillway_unknown_submits_total{target="fal/a"}': growing(1),
      'spillway_submits_total{target="fal/a"}': growing(1_000),
    },
  },
  SpillwayCopiesStuck: {
    fires: { [oldest('storing_asset')]: growing(60) },
    quiet: { [oldest('storing_asset')]: always(600) },
  },
  SpillwayNoCredit: {
    fires: { [stuck('no_credit')]: always(3) },
    quiet: { [stuck('provider_refusing')]: always(3) },
  },
  SpillwayProviderRefusing: {
    fires: { [oldest('provider_refusing')]: growing(60) },
    quiet: { [oldest('provider_refusing')]: always(300) },
  },
  SpillwayProviderSlow: {
    fires: { [stuck('polling_provider_slow')]: always(40), [permits('live')]: always(100) },
    quiet: { [stuck('polling_provider_slow')]: always(5), [permits('live')]: always(100) },
  },
  SpillwayCallbacksOverdue: {
    fires: { [stuck('waiting_callback_overdue')]: always(40), [permits('live')]: always(100) },
    quiet: { [stuck('waiting_callback_overdue')]: always(20), [permits('live')]: always(100) },
  },
  SpillwayCapacityShort: {
    fires: { [oldest('waiting_capacity')]: always(4_000) },
    quiet: { [oldest('waiting_capacity')]: always(3_000) },
  },
  SpillwayWebhooksFailing: {
    fires: {
      'spillway_webhook_tries_total{result="delivered"}': growing(1),
      'spillway_webhook_tries_total{result="again"}': growing(9),
      [stuck('webhook_failing')]: always(50),
    },
    firesToo: { 'spillway_webhook_tries_total{result="again"}': growing(9), [stuck('webhook_failing')]: always(50) },
    quiet: {
      'spillway_webhook_tries_total{result="delivered"}': growing(9),
      'spillway_webhook_tries_total{result="again"}': growing(1),
      [stuck('webhook_failing')]: always(50),
    },
  },
  SpillwayJobsFailing: {
    fires: {
      'spillway_jobs_ended_total{phase="failed"}': growing(5),
      'spillway_jobs_ended_total{phase="completed"}': growing(5),
    },
    firesToo: {
      'spillway_jobs_ended_total{phase="failed"}': '0x106 20x14',
      'spillway_jobs_ended_total{phase="completed"}': always(0),
    },
    quiet: {
      'spillway_jobs_ended_total{phase="failed"}': growing(1),
      'spillway_jobs_ended_total{phase="completed"}': growing(9),
    },
  },
  SpillwayApiAway: {
    fires: { 'spillway_resident_memory_bytes{instance="worker"}': always(1) },
    quiet: { 'spillway_api_in_flight_limit{instance="a"}': always(1_000) },
  },
  SpillwayApiErrors: {
    fires: { [request(202)]: growing(90), [request(500)]: growing(10) },
    quiet: { [request(202)]: growing(90), [request(503)]: growing(90) },
  },
  SpillwayAcceptSlow: { fires: accepts(95), quiet: accepts(100) },
  SpillwayShedding: {
    fires: { 'spillway_api_shed_total{kind="request"}': growing(60) },
    quiet: { 'spillway_api_shed_total{kind="request"}': always(60) },
  },
  SpillwayCallbacksShed: {
    fires: { 'spillway_api_shed_total{kind="callback"}': '0x115 1x5' },
    quiet: { 'spillway_api_shed_total{kind="callback"}': always(1) },
  },
  SpillwayBreakerOpen: {
    fires: { 'spillway_breaker_state{target="fal/a",breaker="submit"}': always(2) },
    quiet: { 'spillway_breaker_state{target="fal/a",breaker="submit"}': '0x115 2x5' },
  },
  SpillwayLimitLearnedLow: {
    fires: { [limit('working')]: always(10), [limit('configured')]: always(100) },
    quiet: { [limit('working')]: always(60), [limit('configured')]: always(100) },
  },
  SpillwayPermitsOverLimit: {
    fires: { [permits('live')]: always(100), [permits('zombie')]: always(1), [limit('configured')]: always(100) },
    quiet: { [permits('live')]: always(99), [permits('zombie')]: always(1), [limit('configured')]: always(100) },
  },
  SpillwayZombies: {
    fires: { [permits('zombie')]: always(30), [limit('working')]: always(100) },
    quiet: { [permits('zombie')]: always(20), [limit('working')]: always(100) },
  },
  SpillwaySpendNearCap: {
    fires: { 'spillway_spend_usd{state="committed"}': always(95), 'spillway_spend_usd{state="cap"}': always(100) },
    quiet: { 'spillway_spend_usd{state="committed"}': always(95) },
  },
  SpillwaySpendCapReached: {
    fires: { 'spillway_api_problems_total{code="spend_cap_reached"}': growing(1) },
    firesToo: { 'spillway_api_problems_total{code="spend_cap_reached"}': '0x117 1x3' },
    quiet: { 'spillway_api_problems_total{code="budget_exceeded"}': growing(1) },
  },
  SpillwayUnknownMoney: {
    fires: {
      'spillway_money_at_risk_usd{state="unknown"}': always(40),
      'spillway_money_at_risk_usd{state="under_way"}': always(100),
    },
    quiet: {
      'spillway_money_at_risk_usd{state="unknown"}': always(20),
      'spillway_money_at_risk_usd{state="under_way"}': always(100),
    },
  },
  SpillwayMailLate: {
    fires: { 'spillway_mail_lag_seconds{instance="a"}': growing(10) },
    quiet: { 'spillway_mail_lag_seconds{instance="a"}': always(5) },
  },
  SpillwayNobodyGrants: {
    fires: { 'spillway_build_current{instance="a"}': always(0) },
    quiet: { 'spillway_build_current{instance="a"}': always(0), 'spillway_build_current{instance="b"}': always(1) },
  },
  SpillwayWebhooksLate: { fires: firstTries(90), quiet: firstTries(100) },
  SpillwayRepairs: {
    fires: { 'spillway_repairs_total{repair="lost_workflow"}': growing(1) },
    firesToo: { 'spillway_repairs_total{repair="lost_workflow"}': '0x110 20x10' },
    quiet: { 'spillway_repairs_total{repair="zombie_ended"}': growing(1) },
  },
  SpillwayPostgresAway: {
    fires: { 'spillway_resident_memory_bytes{instance="a"}': always(1) },
    quiet: {
      'spillway_resident_memory_bytes{instance="a"}': always(1),
      'spillway_mail_lag_seconds{instance="a"}': always(0),
    },
  },
  SpillwayTemporalAway: {
    fires: { [polls('failure_total')]: growing(9), [polls('total')]: growing(10) },
    quiet: { [polls('failure_total')]: growing(1), [polls('total')]: growing(10) },
  },
  SpillwayWorkerSlotsExhausted: {
    fires: { [slots('a')]: always(0) },
    quiet: { [slots('a')]: always(0), [slots('b')]: always(1) },
  },
  SpillwayEventLoopLate: {
    fires: { 'spillway_event_loop_lag_seconds{quantile="0.99",instance="a"}': always(0.2) },
    quiet: { 'spillway_event_loop_lag_seconds{quantile="1",instance="a"}': always(0.2) },
  },
};
