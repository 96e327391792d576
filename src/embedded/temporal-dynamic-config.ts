/**
 * What both embedded servers run with. One partition suits one process; the rates keep the defaults of a shared cluster
 * from throttling a lone user. Eager starts of workflows and activities are the server's own default.
 */
export const dynamicConfig = {
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'frontend.enableServerVersionCheck': false,
  'frontend.rps': 20_000,
  'frontend.namespaceRPS': 20_000,
  'frontend.namespaceRPS.visibility': 500,
  'frontend.namespaceCount': 20_000,
  'history.rps': 20_000,
  'matching.rps': 20_000,
} as const;
