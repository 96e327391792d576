import type { FaultKind } from '../../src/simulator/fault.ts';

export interface FaultCase {
  readonly kind: FaultKind;
  /** As in a prompt, without the vendor: `submit-429*1=1`. */
  readonly marker: string;
  readonly says: string;
}

/** Every fault of the simulator, once. The compiler asks for each: a new fault needs its line and its outcome. */
const cases: Readonly<Record<FaultKind, Omit<FaultCase, 'kind'>>> = {
  'submit-429': { marker: 'submit-429*1=1', says: 'Refused once for its rate, with `Retry-After: 1`' },
  'submit-429-bare': { marker: 'submit-429-bare*1', says: 'Refused once for its rate, without a word' },
  'submit-500-before': { marker: 'submit-500-before', says: '500 to every submit; nothing is created' },
  'submit-500-after': { marker: 'submit-500-after', says: '500 to every submit; the job is created' },
  'submit-reset-before': { marker: 'submit-reset-before', says: 'Connection reset; nothing is created' },
  'submit-reset-after': { marker: 'submit-reset-after', says: 'Connection reset; the job is created' },
  'submit-slow': { marker: 'submit-slow=1500', says: 'The answer to the submit takes 1.5 s' },
  'submit-hang-before': { marker: 'submit-hang-before', says: 'No answer ever; nothing is created' },
  'submit-hang-after': { marker: 'submit-hang-after', says: 'No answer ever; the job is created' },
  'submit-refused': { marker: 'submit-refused', says: 'Refused as invalid' },
  'no-credit': { marker: 'no-credit', says: 'The account is out of credit' },
  stuck: { marker: 'stuck', says: 'Accepted, and never ends' },
  slow: { marker: 'slow=3', says: 'Takes three times as long as usual' },
  failed: { marker: 'failed', says: 'Fails at the end, every time' },
  'failed-fast': { marker: 'failed-fast*1', says: 'Fails at once, the first time' },
  moderation: { marker: 'moderation', says: 'Refused on the content policy' },
  'callback-lost': { marker: 'callback-lost', says: 'No callback comes' },
  'callback-duplicated': { marker: 'callback-duplicated=3', says: 'The callback comes three times at once' },
  'callback-delayed': { marker: 'callback-delayed=20000', says: 'The callback comes 20 s late' },
  'callback-early': { marker: 'callback-early', says: 'The callback overtakes the answer to the submit' },
  'callback-out-of-order': { marker: 'callback-out-of-order', says: 'After the final callback comes an older state' },
  'callback-forged': { marker: 'callback-forged=only', says: 'Only a forged callback comes, and claims the opposite' },
  'callback-wrong-body': { marker: 'callback-wrong-body', says: 'The callback’s body is HTML' },
  'output-404': { marker: 'output-404', says: 'The link to the finished video is dead' },
  'data-removed': { marker: 'data-removed', says: 'The vendor has already deleted the finished video' },
};

const isKind = (kind: string): kind is FaultKind => Object.hasOwn(cases, kind);

export const faultCases: readonly FaultCase[] = Object.keys(cases)
  .filter(isKind)
  .map((kind) => ({ kind, ...cases[kind] }));
