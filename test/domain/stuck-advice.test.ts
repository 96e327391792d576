import { describe, expect, test } from 'vitest';
import { repairNames } from '../../src/contracts/repairs.ts';
import { stuckCauses } from '../../src/domain/stuck.ts';
import { adviceOf, sentenceOfCause } from '../../src/domain/stuck-advice.ts';

const jobId = 'video_01a20000-0000-7000-8000-000000000000';
const jobs = [
  { jobId, target: 'fal/wan-2.6', elsewhere: 'wavespeed/wan-2.6' },
  { jobId, target: 'fal/wan-2.6' },
  { jobId, target: null, elsewhere: null },
];

/** Verbs that buy nothing beside what may be paid for. */
const safeVerbs = ['poll-now', 'extend-deadline', 'switch-target'];
const verbs = repairNames.map((name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));

describe.each(stuckCauses)('the advice for %s', (cause) => {
  const advices = jobs.map((job) => adviceOf({ cause, since: 0, attempt: 2 }, job));

  test('is a sentence, a next step and a command, whatever is known of the job', () => {
    for (const { sentence, nextStep, command } of advices) {
      expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect(sentence).not.toContain('\n');
      expect(nextStep).toMatch(/^[A-Z].*[.]$|npm run \w+/);
      expect(`${sentence}${nextStep}${command}`).not.toMatch(/undefined|null/);
      expect(command).toMatch(/^npm run ops -- (show|overview|repair)\b/);
    }
  });

  test('never pays for a second video', () => {
    for (const { command } of advices) {
      expect(command).not.toContain('--force');
      const [, verb] = /repair (\S+)/.exec(command) ?? [];
      expect([...safeVerbs, undefined]).toContain(verb);
      expect([...verbs, undefined]).toContain(verb);
    }
  });

  test('tells a caller nothing of providers, accounts of ours or commands', () => {
    const sentence = sentenceOfCause({ cause });
    expect(sentence).not.toMatch(/fal|wavespeed|npm|\battempt 2\b/);
    expect(sentence).not.toBe('');
  });
});

test('a job moves where it waits for nothing but a provider, and only then', () => {
  const moving = stuckCauses.filter((cause) =>
    adviceOf({ cause, since: 0 }, { jobId, target: 'a/b', elsewhere: 'c/d' }).command.includes('switch-target'),
  );
  // Nothing of these is under way, so nothing can be paid for twice.
  expect(moving).toEqual(['no_credit', 'provider_refusing']);
});
