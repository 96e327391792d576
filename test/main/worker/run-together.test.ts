import { expect, test } from 'vitest';
import { runTogether } from '../../../src/main/worker/run-together.ts';

/** Ends when it is told to, and only after what it has under way. */
function createRunnable() {
  let [resolve, reject]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
  const running = new Promise<void>((...settle) => ([resolve, reject] = settle));
  const asked: string[] = [];
  let state: 'RUNNING' | 'STOPPED' | 'FAILED' = 'RUNNING';
  return {
    asked,
    run: () => running,
    shutdown: () => void asked.push('shutdown'),
    getState: () => state,
    end(): void {
      state = 'STOPPED';
      resolve();
    },
    die(error: Error): void {
      state = 'FAILED';
      reject(error);
    },
  };
}

test('when one dies, the stop asks the others to end and waits until the last of them has', async () => {
  const [dead, posting, idle] = [createRunnable(), createRunnable(), createRunnable()];
  const deaths: unknown[] = [];
  const together = runTogether([dead, posting, idle], (error) => deaths.push(error));
  const error = new Error('the connection is gone for good');
  dead.die(error);
  await Promise.resolve();
  let isStopped = false;
  const stopping = together.stop().then(() => (isStopped = true));
  idle.end();
  // Every promise that could have been settled by now is.
  await new Promise(setImmediate);
  expect(deaths).toEqual([error]);
  expect([dead.asked, posting.asked, idle.asked]).toEqual([[], ['shutdown'], ['shutdown']]);
  expect(isStopped).toBe(false);
  posting.end();
  await stopping;
});

test('all that end in order are no death', async () => {
  const workers = [createRunnable(), createRunnable()];
  const deaths: unknown[] = [];
  const together = runTogether(workers, (error) => deaths.push(error));
  for (const worker of workers) worker.end();
  await together.stop();
  expect(deaths).toEqual([]);
});
