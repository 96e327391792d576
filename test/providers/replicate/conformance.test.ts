import { describe } from 'vitest';

import { createReplicateProvider } from '../../../src/providers/replicate/provider.ts';
import { exerciseProvider } from '../../conformance/provider.ts';
import { makeSimulatedBench } from '../../conformance/simulated.ts';

describe('replicate', () => {
  exerciseProvider(() =>
    makeSimulatedBench({
      kind: 'replicate',
      create: createReplicateProvider,
      model: 'wan-video/wan-2.6-t2v',
      input: (prompt, seed) => ({ prompt, duration: 5, seed }),
    }),
  );
});
