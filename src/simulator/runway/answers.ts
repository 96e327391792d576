import { json, type Answer } from '../answer.ts';

/** Runway's errors: one sentence, and no code. */
export function refusal(status: number, error: string, headers?: Readonly<Record<string, string>>): Answer {
  return json(status, { error, docUrl: 'https://docs.dev.runwayml.com/api' }, headers);
}

export function notFound(what: string): Answer {
  return refusal(404, `No such ${what} was found.`);
}
