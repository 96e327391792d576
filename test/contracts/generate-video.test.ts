import { expect, test } from 'vitest';
import * as contract from '../../src/contracts/generate-video.ts';
import * as workflows from '../../src/workflows/index.ts';

test('names that stand in histories and in other processes do not change', () => {
  expect({ ...contract }).toEqual({
    taskQueue: 'spillway',
    checkTaskQueue: 'spillway-checks',
    assetTaskQueue: 'spillway-assets',
    generateVideoType: 'generateVideo',
    permitSignalName: 'permit',
    callbackSignalName: 'callback',
    hintSignalName: 'hint',
    cancelSignalName: 'cancel',
    timelineQueryName: 'timeline',
  });
});

test('a worker serves the workflow by the name of the contract', () => {
  expect(Object.keys(workflows)).toContain(contract.generateVideoType);
});
