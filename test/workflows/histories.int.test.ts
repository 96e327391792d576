import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundleWorkflows } from './bundle.ts';
import { recordHistories } from './record-histories.ts';
import { historiesOf, unreleased } from './releases.ts';
import { eventNamesOf } from './stage.ts';

const directory = historiesOf(unreleased);

test('the kept histories are what the workflow does today, event by event', async () => {
  const recorded = await recordHistories(await bundleWorkflows());
  for (const [name, json] of recorded) {
    const kept = await readFile(join(directory, `${name}.json`), 'utf8');
    expect([name, ...ownEventsOf(kept)]).toEqual([name, ...ownEventsOf(json)]);
  }
});

/** How many tasks the server makes of what arrives is a matter of how fast who is: what the workflow does in them is not. */
const ownEventsOf = (json: string): readonly string[] =>
  eventNamesOf(json).filter((name) => !name.startsWith('WORKFLOW_TASK_'));
