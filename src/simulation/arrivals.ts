import { priorities, type Priority } from '../domain/job.ts';
import { limits } from '../domain/limits/limits.ts';

/** Jobs that are accepted in the same second. */
export interface Arrival {
  readonly second: number;
  readonly count: number;
  readonly tenant: string;
  /** The index in `priorities`. */
  readonly class: number;
}

/** The arrivals can't be planned with; the message says which line, and what to write there. */
class ArrivalsError extends Error {
  override name = 'ArrivalsError';
}

const defaults = { tenant: 'default', class: priorities.indexOf('normal') };

/** So many jobs within one minute, evenly. */
export function burstOf(jobs: number): readonly Arrival[] {
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > limits.plannedJobsMax)
    throw new ArrivalsError(`--burst has to be a whole number from 1 to ${limits.plannedJobsMax}.`);
  const share = (second: number): number => Math.floor((jobs * (second + 1)) / 60) - Math.floor((jobs * second) / 60);
  const seconds = Array.from({ length: 60 }, (_, second) => ({ ...defaults, second, count: share(second) }));
  return seconds.filter(({ count }) => count > 0);
}

/** Lines of `second,count[,tenant[,priority]]`; a first line of words is a heading. */
export function parseArrivals(text: string): readonly Arrival[] {
  const lines = text.split(/\r?\n/).map((line, index) => ({ number: index + 1, line: line.trim() }));
  const rows = lines.filter(({ line, number }) => line !== '' && !(number === 1 && /^second\b/i.test(line)));
  const arrivals = rows.map(({ line, number }) => parseRow(line, number));
  const jobs = arrivals.reduce((sum, { count }) => sum + count, 0);
  if (jobs === 0) throw new ArrivalsError('The arrivals hold no job. Write lines of second,count[,tenant[,priority]].');
  if (jobs > limits.plannedJobsMax)
    throw new ArrivalsError(`The arrivals hold ${jobs} jobs. Plan ${limits.plannedJobsMax} at most.`);
  return arrivals.toSorted((one, other) => one.second - other.second);
}

function parseRow(line: string, number: number): Arrival {
  const [second = '', count = '', tenant = '', priority = 'normal', ...more] = line
    .split(',')
    .map((cell) => cell.trim());
  const fail = (what: string): never => {
    throw new ArrivalsError(`Line ${number} of the arrivals, "${line.slice(0, 80)}": ${what}`);
  };
  if (more.length > 0) fail('write second,count[,tenant[,priority]] and nothing after them.');
  if (!isCount(second, limits.plannedSecondsMax))
    fail(`the second has to be a whole number from 0 to ${limits.plannedSecondsMax}.`);
  if (!isCount(count, limits.plannedJobsMax))
    fail(`the count has to be a whole number from 0 to ${limits.plannedJobsMax}.`);
  if (!isPriority(priority)) return fail(`the priority has to be one of ${priorities.join(', ')}.`);
  const name = tenant === '' ? defaults.tenant : tenant;
  return { second: Number(second), count: Number(count), tenant: name, class: priorities.indexOf(priority) };
}

function isCount(text: string, most: number): boolean {
  return /^\d{1,9}$/.test(text) && Number(text) <= most;
}

function isPriority(text: string): text is Priority {
  return priorities.some((priority) => priority === text);
}
