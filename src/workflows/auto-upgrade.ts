import { workflowInfo } from '@temporalio/workflow';
import type { WorkflowDefinitionOptions } from '@temporalio/common';

/**
 * Of workflows that outlive their build's workers: the next build takes them over. Only where builds are told apart, for a
 * server refuses whatever a worker says of it that names no build.
 */
export function autoUpgrade(): WorkflowDefinitionOptions {
  // Without versioning the SDK has a version all the same, of no deployment.
  const { deploymentName = '' } = workflowInfo().currentDeploymentVersion ?? {};
  return deploymentName === '' ? {} : { versioningBehavior: 'AUTO_UPGRADE' };
}
