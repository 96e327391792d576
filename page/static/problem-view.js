import { nextStepOf, ProblemError } from './api.js';
import { make } from './elements.js';

/** Counts what is shown in each box, so that advice that comes late is not put beside another problem. */
const shown = new WeakMap();

/**
 * Says what went wrong and what to do next, as the server puts it.
 * @param {HTMLElement} box
 * @param {unknown} error
 */
export async function showProblem(box, error) {
  const { problem, retryAfterSeconds } = problemOf(error);
  const turn = (shown.get(box) ?? 0) + 1;
  shown.set(box, turn);
  const title = make('strong', {}, [problem.title]);
  const detail =
    problem.detail === undefined || problem.detail === problem.title ? [] : [make('p', {}, [problem.detail])];
  const wait = retryAfterSeconds ? [make('p', {}, [`Try again in ${retryAfterSeconds} s.`])] : [];
  const reference =
    problem.request_id === undefined ? [] : [make('p', { class: 'reference' }, [`Request ${problem.request_id}`])];
  box.replaceChildren(title, ...detail, ...wait, ...reference);
  box.hidden = false;
  const next = await nextStepOf(problem.code);
  if (next === undefined || shown.get(box) !== turn || box.hidden) return;
  title.after(...detail, make('p', { class: 'next' }, [next]));
}

/** @param {HTMLElement} box */
export function hideProblem(box) {
  shown.set(box, (shown.get(box) ?? 0) + 1);
  box.hidden = true;
  box.replaceChildren();
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof ProblemError) return error;
  reportError(error);
  return new ProblemError({ code: 'page', title: 'This page has a fault.', detail: 'Reload it, and try again.' });
}
