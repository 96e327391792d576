import { describe } from 'vitest';

import { createFalProvider } from '../../../src/providers/fal/provider.ts';
import { exerciseProvider } from '../../conformance/provider.ts';
import { makeSimulatedBench } from '../../conformance/simulated.ts';

describe('fal', () => {
  exerciseProvider(() =>
    makeSimulatedBench({
      kind: 'fal',
      create: createFalProvider,
      model: 'fal-ai/kling-video/v2.6/pro/text-to-video',
      input: (prompt) => ({ prompt, duration: '5', aspect_ratio: '16:9' }),
      otherPaths: { rest: '/rest' },
    }),
  );
});
