/**
 * What operators write is one line with something in it, whichever way it came: by the API, the command line or Temporal UI.
 * Its parts can't stand for one another, so that also a long text that is none is read only once.
 */
export const oneLinePattern =
  '^[^\\S\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$';

export function isOneLine(text: string, charsMax: number): boolean {
  return text.length <= charsMax && oneLine.test(text);
}

const oneLine = new RegExp(oneLinePattern);
