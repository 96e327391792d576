import { describe, expect, test } from 'vitest';
import { createFaultChooser } from '../../src/simulator/fault-chooser.ts';
import type { FaultPlan } from '../../src/simulator/fault.ts';

const wan = 'alibaba/wan-2.6/text-to-video';
const kling = 'kwaivgi/kling-v2.6-pro/text-to-video';

function choices(seed: number, plan: FaultPlan, count = 1_000) {
  const chooser = createFaultChooser(seed, plan);
  return Array.from(
    { length: count },
    (_, ordinal) => chooser.choose({ vendor: 'wavespeed', model: wan, prompt: 'a cat', ordinal }).length,
  );
}

describe('a plan', () => {
  test('strikes its share, and the same submits for the same seed', () => {
    const plan: FaultPlan = [{ share: 0.2, fault: { kind: 'failed' } }];
    const struck = choices(1, plan);
    expect(struck.filter(Boolean).length).toBeGreaterThan(150);
    expect(struck.filter(Boolean).length).toBeLessThan(250);
    expect(choices(1, plan)).toEqual(struck);
    expect(choices(2, plan)).not.toEqual(struck);
  });

  test('strikes no more often than its times', () => {
    expect(choices(1, [{ share: 1, times: 3, fault: { kind: 'failed' } }]).filter(Boolean)).toHaveLength(3);
  });

  test('keeps to its model, and combines', () => {
    const plan: FaultPlan = [
      { model: 'wan-2.6', share: 1, fault: { kind: 'slow' } },
      { share: 1, fault: { kind: 'callback-lost' } },
    ];
    const chooser = createFaultChooser(1, plan);
    const kinds = (model: string) =>
      chooser.choose({ vendor: 'wavespeed', model, prompt: '', ordinal: 1 }).map(({ kind }) => kind);
    expect(kinds(wan)).toEqual(['slow', 'callback-lost']);
    expect(kinds(kling)).toEqual(['callback-lost']);
  });

  test('can be replaced', () => {
    const chooser = createFaultChooser(1, [{ share: 1, fault: { kind: 'slow' } }]);
    chooser.replacePlan([]);
    expect(chooser.choose({ vendor: 'wavespeed', model: wan, prompt: '', ordinal: 1 })).toEqual([]);
  });
});

describe('a marker', () => {
  test('strikes on the models it names only', () => {
    const chooser = createFaultChooser(1, []);
    const prompt = '[sim:failed@wan-2.6]';
    expect(chooser.choose({ vendor: 'wavespeed', model: wan, prompt, ordinal: 1 })).toEqual([
      { kind: 'failed', code: 1405 },
    ]);
    expect(chooser.choose({ vendor: 'wavespeed', model: kling, prompt, ordinal: 2 })).toEqual([]);
  });

  test('with times strikes the first submits of that prompt only', () => {
    const chooser = createFaultChooser(1, []);
    const strike = (prompt: string) => chooser.choose({ vendor: 'wavespeed', model: wan, prompt, ordinal: 1 }).length;
    expect([1, 2, 3].map(() => strike('[sim:slow*2] a'))).toEqual([1, 1, 0]);
    expect(strike('[sim:slow*2] b')).toBe(1);
  });
});
