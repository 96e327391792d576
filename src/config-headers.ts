/**
 * Why a secret can't be sent in a header, without the secret. Undefined: it can. Whoever sends it would be told with an error
 * that quotes the whole of it, and the error would be logged.
 */
export function faultOfHeaderSecret(name: string, value: string): string | undefined {
  if (/^[\x21-\x7e]+$/.test(value)) return undefined;
  return `${name} holds a blank, a line break or another character that no key has. Copy the key alone, on one line.`;
}
