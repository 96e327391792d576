import { testSeeds } from './seeds-of-file.ts';

testSeeds(0);
