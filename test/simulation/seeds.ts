import { createFairnessWatch } from './fairness-watch.ts';
import { violationsOf } from './invariants.ts';
import { createModelRecords } from './model-records.ts';
import type { Mutations } from './model-tables.ts';
import { createScenario } from './scenario.ts';
import { play } from './world.ts';

/** One run against the model of Postgres. Returns what was wrong in it, and how to see it again. */
export async function judge(seed: number, mutations: Mutations = {}): Promise<readonly string[]> {
  const scenario = createScenario(seed);
  const found = new Set<string>();
  let runMs = 0;
  const watch = createFairnessWatch(() => runMs);
  const jumpedMs = scenario.jumps.reduce((sum, { byMs }) => sum + Math.abs(byMs), 0);
  const ending = await play(scenario, ({ databaseNow, now }) => {
    const beganAt = now();
    const onPass: typeof watch.onPass = (pass) => {
      runMs = now() - beganAt + jumpedMs;
      watch.onPass(pass);
    };
    const onViolation = (violation: string): void => void found.add(violation);
    return createModelRecords({ now: databaseNow, pools: scenario.pools, mutations, onPass, onViolation });
  });
  const replay = `SIMULATION_SEED=${seed} npx vitest run --project simulation`;
  const violations = [...found, ...watch.violations(), ...(await violationsOf(ending))];
  return violations.map((violation) => `${violation} (seed ${seed}; again: ${replay})`);
}
