import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';
import { type Finished, finishedSignalName, type TextbookActivities, type TextbookInput } from './contract.ts';

const { submit, poll, store, settle } = proxyActivities<TextbookActivities>({ startToCloseTimeout: '60s' });
const finishedSignal = defineSignal<[Finished]>(finishedSignalName);

export async function textbookVideo(input: TextbookInput): Promise<string> {
  let finished: Finished | undefined;
  setHandler(finishedSignal, (told) => {
    finished = told;
  });
  const operation = await submit(input);
  await condition(() => finished !== undefined, '60s');
  finished ??= await poll(operation);
  const videoPath = await store(input.id, finished);
  await settle(input.id, videoPath);
  return videoPath;
}
