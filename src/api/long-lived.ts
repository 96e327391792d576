import type { IncomingMessage } from 'node:http';

/** Streams, downloads, and whoever asks to wait: they mostly sit there, and how long they take says nothing. */
export function isLongLived({ method, url = '', headers }: IncomingMessage): boolean {
  if (method !== 'GET') return false;
  return /\/(events|stream|content)(\?|$)/.test(url) || headers['prefer']?.includes('wait=') === true;
}
