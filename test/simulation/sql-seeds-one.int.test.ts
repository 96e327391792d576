import { testSqlSeeds } from './sql-seeds.ts';

testSqlSeeds({ from: 1, count: 150 });
