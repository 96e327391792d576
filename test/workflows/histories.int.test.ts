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
    expect([name, ...eventNamesOf(kept)]).toEqual([name, ...eventNamesOf(json)]);
  }
});
