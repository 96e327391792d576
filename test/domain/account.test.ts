import { describe, expect, test } from 'vitest';
import { accountOf } from '../../src/domain/account.ts';
import { failureOf } from '../../src/domain/failure.ts';
import { heard } from '../../src/domain/heard.ts';
import { limits } from '../../src/domain/limits/limits.ts';
import { deliverySummary, jobDetails, jobSummary } from '../../src/domain/start-notice.ts';
import type { Story } from '../../src/domain/story.ts';
import { copying, failed, live, permit, start, storyOf, submitting, twoTargets } from './make.ts';

const jobId = 'video_01970000-0000-7000-8000-000000000001';
const tell = (story: Story, stuck?: Parameters<typeof accountOf>[0]['stuck']) =>
  accountOf({ jobId, story, stuck }, start);

describe('the account of a job', () => {
  test.each([
    {
      what: 'waits',
      story: storyOf(twoTargets),
      says: /^\*\*Waits for its permit\*\* at `vendor\/one`, as attempt 1 \(first\), since 1970-01-01 00:16:40 UTC\./,
    },
    { what: 'is being sent', story: storyOf(twoTargets, [permit()], [submitting()]), says: /is being sent/ },
    {
      what: 'is live',
      story: storyOf(twoTargets, ...live()),
      says: /is with the provider.*Next: next poll of attempt 1, at/s,
    },
    {
      what: 'is being copied',
      story: storyOf(twoTargets, ...live(), ...copying()),
      says: /which is being copied.*Next: what is under way answers/s,
    },
    { what: 'was given up', story: storyOf(twoTargets, [{ kind: 'giveUp' }]), says: /given up by an operator/ },
    { what: 'is being cancelled', story: storyOf(twoTargets, [{ kind: 'cancel' }]), says: /being cancelled/ },
  ])('that $what says so', ({ story, says }) => {
    expect(tell(story)).toMatch(says);
  });

  test('lists its attempts, with the code of what became of them', () => {
    const told = tell(
      storyOf(twoTargets, ...live(), [failed(1, 'provider_failed', { vendorCode: '1405' })], ...live(2)),
    );
    expect(told).toContain('| 1 | vendor/one | g1 | has failed |  | provider_failed 1405 |');
    expect(told).toContain('| 2 | vendor/two | g2 | is with the provider | 1970-01-01 00:16:40 UTC |  |');
  });

  test('says what its line is told, where that is more than full', () => {
    const story = heard(storyOf(twoTargets), { kind: 'line', refusal: 'no_credit' }, start);
    expect(tell(story)).toContain('the provider says `no_credit` to its line');
  });

  test('that is stuck has the cause first, with a command that pays for nothing twice', () => {
    const told = tell(storyOf(twoTargets, ...live()), { cause: 'polling_provider_slow', since: start, attempt: 1 });
    expect(told).toContain('**Stuck: `polling_provider_slow`** since 1970-01-01 00:16:40 UTC');
    expect(told).toContain(`npm run ops -- repair poll-now ${jobId}`);
    expect(told).not.toContain('--force');
  });

  test('stays within what Temporal takes, however many attempts there were', () => {
    const long = twoTargets.map((target) => ({ ...target, name: `vendor/${'x'.repeat(200)}` }));
    const attempts = Array.from({ length: limits.attemptsOfJobMax }, (_, index) =>
      live(index + 1, { target: 0 }),
    ).flat();
    const failures = Array.from({ length: 39 }, (_, index) => [failed(index + 1, 'rate_limited')] as const);
    const told = tell(storyOf(long, ...attempts, ...failures), { cause: 'submit_unknown', since: start, attempt: 40 });
    expect(Buffer.byteLength(told)).toBeLessThan(20_000);
    expect(told).toContain('20 earlier attempts are not shown.');
  });
});

describe('what a start says', () => {
  const job = { jobId, tenant: 'acme', model: 'wan-2.6', route: twoTargets, acceptedAt: start };

  test('is whose job it is, by which model, and since when', () => {
    expect(jobSummary(job)).toBe('wan-2.6 for tenant acme, accepted 00:16 UTC');
    expect(jobDetails(job)).toContain('1. `vendor/one`, of pool `vendor`\n2. `vendor/two`, of pool `vendor`');
  });

  test('fits into what Temporal takes, however long names are', () => {
    const tenant = 'a'.repeat(500);
    expect(Buffer.byteLength(jobSummary({ ...job, tenant }))).toBeLessThanOrEqual(200);
    expect(Buffer.byteLength(deliverySummary({ deliveryId: 'd', jobId, tenant }))).toBeLessThanOrEqual(200);
  });

  test('names codes and ids only', () => {
    expect(failureOf('auth')).not.toHaveProperty('message');
    expect(deliverySummary({ deliveryId: 'd', jobId: null, tenant: 'acme' })).toBe(
      'webhook of no job for tenant acme, whose first try failed',
    );
  });
});
