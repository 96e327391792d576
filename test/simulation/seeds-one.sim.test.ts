import { testSeeds } from './seeds-of-file.ts';

testSeeds({ from: 1, count: 5_000 });
