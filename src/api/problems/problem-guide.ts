import { refusalCodes } from '../../catalogue/plan.ts';
import { advice } from './problem-advice.ts';
import { problemKinds } from './problem-kinds.ts';

/** What a code means, and what whoever meets it does next. */
export interface ProblemPage {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly meaning: string;
  readonly next: string;
}

/** The catalogue's codes stand in for that of a request that asks for what is not supported. */
const titles: Readonly<Record<string, { readonly status: number; readonly title: string }>> = {
  ...Object.fromEntries(
    Object.entries(refusalCodes).map(([code, title]) => [
      code,
      { status: problemKinds.value_not_supported.status, title },
    ]),
  ),
  ...problemKinds,
};

/** Every code that an answer may carry, with its page. */
export const problemPages: ReadonlyMap<string, ProblemPage> = new Map(
  Object.entries(titles).map(([code, { status, title }]) => [code, { code, status, title, ...adviceOf(code, title) }]),
);

function adviceOf(code: string, title: string): Pick<ProblemPage, 'meaning' | 'next'> {
  const [meaning, next] = advice[code] ?? [
    title,
    'Read the detail of the answer, and name its request_id in a complaint.',
  ];
  return { meaning, next };
}
