import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundleWithSourceMap } from '@temporalio/worker';

/** The workflows as a worker gets them, built without a word. */
export async function bundleWorkflows(): Promise<WorkflowBundleWithSourceMap> {
  const workflowsPath = fileURLToPath(new URL('../../src/workflows/index.ts', import.meta.url));
  return await bundleWorkflowCode({ workflowsPath, logger: silentLogger });
}

export const silentLogger = new DefaultLogger('ERROR', () => undefined);
