import { expect, test } from 'vitest';
import { stuckCauses } from '../../../src/domain/stuck.ts';
import { adviceOf } from '../../../src/domain/stuck-advice.ts';
import { opsOptions } from '../../../src/main/ops/options.ts';

test.each(stuckCauses)('the command for %s has options that there are, and says why', (cause) => {
  for (const elsewhere of ['wavespeed/wan-2.6', null]) {
    const { command } = adviceOf({ cause, since: 0 }, { jobId: 'video_1', target: 'fal/wan-2.6', elsewhere });
    for (const [, option = ''] of command.matchAll(/ --([a-z-]+)/g)) expect(Object.keys(opsOptions)).toContain(option);
    expect(command.includes('repair ')).toBe(command.includes('--reason "'));
  }
});
