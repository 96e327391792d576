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
  settle(id: string, finished: Finished): Promise<void>;
}
