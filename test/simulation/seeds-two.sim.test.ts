import { testSeeds } from './seeds-of-file.ts';

testSeeds({ from: 5_001, count: 5_000 });
