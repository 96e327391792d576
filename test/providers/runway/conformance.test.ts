import { describe } from 'vitest';

import { createRunwayProvider } from '../../../src/providers/runway/provider.ts';
import { exerciseProvider } from '../../conformance/provider.ts';
import { makeSimulatedBench } from '../../conformance/simulated.ts';

describe('runway', () => {
  exerciseProvider(() =>
    makeSimulatedBench({
      kind: 'runway',
      create: createRunwayProvider,
      model: 'text_to_video/gen4.5',
      input: (promptText) => ({ promptText, duration: 5, ratio: '1280:720' }),
    }),
  );
});
