/** The slots and polls of our own worker (src/main/create-workers.ts), for those it is compared with. */
export const workerSlots = {
  maxConcurrentWorkflowTaskExecutions: 100,
  maxConcurrentLocalActivityExecutions: 100,
  maxConcurrentActivityTaskExecutions: 1_000,
  maxConcurrentActivityTaskPolls: 10,
  maxConcurrentWorkflowTaskPolls: 20,
  maxCachedWorkflows: 1_000,
} as const;

/** Those of the worker that copies videos. */
export const storeSlots = { maxConcurrentActivityTaskExecutions: 20, maxConcurrentActivityTaskPolls: 2 } as const;
