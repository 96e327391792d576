import { describe, expect, test } from 'vitest';
import { findModel, type Model } from '../../src/simulator/model.ts';
import { models } from '../../src/simulator/wavespeed/models.ts';
import type { Fault } from '../../src/simulator/fault.ts';
import { randomFor } from '../../src/simulator/random.ts';
import { planRun, sampleDurationMs } from '../../src/simulator/run-plan.ts';

function setup(faults: readonly Fault[] = [], timeScale = 1) {
  const model = knownModel('alibaba/wan-2.6/text-to-video');
  return planRun({ timeScale, model, inputs: { duration: 5 }, faults }, randomFor('run-plan'));
}

function knownModel(id: string): Model {
  const model = findModel(models, id);
  if (!model) throw new Error(`no model ${id}`);
  return model;
}

function median(model: Model, clipSeconds: number): number {
  const samples = Array.from({ length: 2_001 }, (_, ordinal) =>
    sampleDurationMs(model, clipSeconds, randomFor(ordinal)),
  );
  return samples.toSorted((left, right) => left - right)[1_000] ?? NaN;
}

describe('durations', () => {
  test.each([
    ['alibaba/wan-2.6/text-to-video', 60],
    ['alibaba/wan-3.0/image-to-video', 80],
    ['kwaivgi/kling-v2.5-turbo-pro/text-to-video', 90],
    ['kwaivgi/kling-v2.6-pro/image-to-video', 120],
  ])('%s takes about %d s', (id, seconds) => {
    expect(median(knownModel(id), 5) / 1_000 / seconds).toBeCloseTo(1, 1);
  });

  test('longer clips take longer', () => {
    const model = knownModel('alibaba/wan-3.0/text-to-video');
    expect(median(model, 30)).toBeGreaterThan(3 * median(model, 5));
  });
});

describe('a run', () => {
  test('is decided by its random stream alone, and scales', () => {
    expect(setup()).toEqual(setup());
    expect(setup([], 0.1).runMs).toBeCloseTo((setup().runMs ?? 0) / 10);
  });

  test('ends as its faults say', () => {
    expect(setup().ending).toEqual({ kind: 'completed' });
    expect(setup([{ kind: 'failed', code: 1405 }]).ending).toMatchObject({ kind: 'failed', code: 1405 });
    expect(setup([{ kind: 'moderation' }]).ending).toMatchObject({ kind: 'failed', code: 1200 });
    expect(setup([{ kind: 'stuck' }])).toMatchObject({ ending: { kind: 'timeout' } });
    expect(setup([{ kind: 'stuck' }]).runMs).toBeUndefined();
    expect(setup([{ kind: 'stuck', endsAfterMs: 70 }], 0.1).runMs).toBe(70);
  });

  test('is slow, or fails late or fast', () => {
    const usual = setup().runMs ?? NaN;
    expect(setup([{ kind: 'slow', factor: 4 }]).runMs).toBeCloseTo(usual * 4);
    expect(setup([{ kind: 'failed', code: 1405 }]).runMs).toBe(usual);
    expect(setup([{ kind: 'failed-fast', code: 1403 }]).runMs).toBeLessThan(usual / 10);
  });
});
