import { testSqlSeeds } from './sql-seeds.ts';

testSqlSeeds({ from: 151, count: 150 });
