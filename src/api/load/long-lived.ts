import type { ServerResponse } from 'node:http';

const longLived = new WeakSet<ServerResponse>();
const begun = 'spillway-long-lived';

/**
 * Says of an answer that from here on it mostly sits there: a stream, a download, or one that is waited for by wish. How
 * long it takes says nothing, and it is no work under way. Until then it is a request like any other, whatever it asks for.
 */
export function beginLongLived(response: ServerResponse): void {
  // Whoever has gone already has been counted out.
  if (response.destroyed || longLived.has(response)) return;
  longLived.add(response);
  response.emit(begun);
}

export function isLongLived(response: ServerResponse): boolean {
  return longLived.has(response);
}

/** Called once, if ever. */
export function onLongLived(response: ServerResponse, listener: () => void): void {
  response.once(begun, listener);
}
