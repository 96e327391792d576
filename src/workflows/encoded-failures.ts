import { DefaultFailureConverter } from '@temporalio/common';

/** With a payload codec, messages and stacks of failures go through it as payloads do. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
