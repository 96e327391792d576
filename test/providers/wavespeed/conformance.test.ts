import { describe } from 'vitest';

import { createWaveSpeedProvider } from '../../../src/providers/wavespeed/provider.ts';
import { exerciseProvider } from '../../conformance/provider.ts';
import { makeSimulatedBench } from '../../conformance/simulated.ts';

describe('wavespeed', () => {
  exerciseProvider(() =>
    makeSimulatedBench({
      kind: 'wavespeed',
      create: createWaveSpeedProvider,
      model: 'alibaba/wan-2.6/text-to-video',
      input: (prompt, seed) => ({ prompt, duration: 5, seed }),
    }),
  );
});
