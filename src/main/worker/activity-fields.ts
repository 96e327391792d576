import { Context } from '@temporalio/activity';

/** The workflow and the activity on whose behalf a line is written, as Temporal UI names them. A workflow's id is its job's. */
export function activityFields(): Readonly<Record<string, unknown>> {
  const info = activityInfo();
  if (info === undefined) return {};
  const { workflowExecution, activityType, attempt } = info;
  return {
    workflow: workflowExecution?.workflowId,
    run: workflowExecution?.runId,
    activity: activityType,
    try: attempt,
  };
}

function activityInfo(): Context['info'] | undefined {
  try {
    return Context.current().info;
  } catch {
    // Most lines are written outside of any activity.
    return undefined;
  }
}
