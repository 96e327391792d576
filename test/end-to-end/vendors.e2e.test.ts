import { describe, expect, test } from 'vitest';
import { useStack } from '../support/stack.ts';

const stack = useStack(() => ({ env: { BREAKERS: 'off' } }));

describe('every model of the catalogue is made, at the first vendor that has it', () => {
  test.each([
    { model: 'wan-2.6', served: 'alibaba/wan-2.6/text-to-video' },
    { model: 'wan-3.0', served: 'alibaba/wan-3.0/text-to-video' },
    { model: 'kling-2.5-turbo', served: 'kwaivgi/kling-v2.5-turbo-pro/text-to-video' },
    { model: 'kling-2.6', served: 'kwaivgi/kling-v2.6-pro/text-to-video' },
    // Runway has no callbacks: the poll alone carries it.
    { model: 'gen-4.5', served: 'text_to_video/gen4.5' },
    { model: 'sora-2', served: 'alibaba/wan-3.0/text-to-video' },
  ])('$model', async ({ model, served }) => {
    const { id } = await stack.accept({ prompt: 'a heron', model });
    expect(await stack.untilFinal(id)).toMatchObject({
      status: 'completed',
      attempts: 1,
      served_by: { provider: 'simulator', model: served },
    });
  });
});

// Whoever has no credit is left alone after the first time: here each test finds it out by itself.
describe('where a vendor has no credit left, the next one makes the same model', () => {
  test.each([
    { dry: ['wavespeed'], served: 'wan/v2.6/text-to-video' },
    { dry: ['wavespeed', 'fal'], served: 'wan-video/wan-2.6-t2v' },
  ])('without $dry', async ({ dry, served }) => {
    const marks = dry.map((vendor) => `[sim:no-credit@${vendor}/]`).join(' ');
    const { id } = await stack.accept({ prompt: `${marks} a heron`, fallback: 'none' });
    expect(await stack.untilFinal(id)).toMatchObject({
      status: 'completed',
      attempts: dry.length + 1,
      served_by: { model: served },
    });
  });
});
