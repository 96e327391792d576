import { readKey } from './session.js';

/**
 * The same request as a command, to go on from in a program of one's own.
 * @param {{ fields: Record<string, string>, file: string | undefined }} request
 */
export function curlOf({ fields, file }) {
  const key = readKey() === '' ? [] : ['-H "authorization: Bearer $SPILLWAY_API_KEY"'];
  const texts = Object.entries(fields).map(([name, value]) => `--form-string ${name}=${quoted(value)}`);
  const picture = file === undefined ? [] : [`-F input_reference=${quoted(`@${file}`)}`];
  return [`curl ${location.origin}/v1/videos`, ...key, ...texts, ...picture].join(' \\\n  ');
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
