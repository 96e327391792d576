/** The job as a tutorial would have it. What it leaves out (see docs/benchmarks.md) only makes it faster. */

export const textbookTaskQueue = 'textbook';
export const textbookType = 'textbookVideo';
export const finishedSignalName = 'finished';

export interface TextbookInput {
  readonly id: string;
  readonly prompt: string;
}

export interface Finished {
  readonly videoUrl: string;
}

export interface TextbookActivities {
  /** Posts to the vendor and returns its handle. */
  submit(input: TextbookInput): Promise<string>;
  /** Fails until the vendor is done: Temporal's retries are the polls. */
  poll(operation: string): Promise<Finished>;
  /** Copies the video into a folder and returns where it lies. */
  store(id: string, finished: Finished): Promise<string>;
  settle(id: string, videoPath: string): Promise<void>;
}
