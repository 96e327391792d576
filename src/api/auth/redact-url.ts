/**
 * A URL as it may be written down: without the tokens and signatures that would let a reader do what its sender may.
 * They are in the query, or the last part of a callback's path.
 */
export function redactUrl(url: string): string {
  return url.replace(secretInQuery, '$1[hidden]').replace(callbackToken, '$1[hidden]');
}

const secretInQuery = /([?&;](?:token|signature|api_?key|key|x-amz-[a-z-]+)=)[^&;#\s"]*/gi;
const callbackToken = /(\/v1\/callbacks\/[^/?#\s]+\/[^/?#\s]+\/)[^/?#\s"]+/gi;
