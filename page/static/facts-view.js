import { find, make } from './elements.js';
import { duration, moment, money, size, sizeWords } from './words.js';

/** Who served it, what it cost, and what else is known of it. @param {Video} video */
export function showFacts(video) {
  const facts = find('facts', HTMLElement);
  facts.replaceChildren(...factsOf(video).map(([term, text]) => factOf(term, text)));
  facts.hidden = false;
}

/** @param {Video} video @returns {[string, string][]} */
function factsOf(video) {
  const { requested, served_by: served, outputs, attempts, completed_at: completedAt, expires_at: expiresAt } = video;
  /** @type {[string, string | null | undefined][]} */
  const all = [
    ['Model', requested === null ? video.model : `${video.model}, in the place of ${requested.model}`],
    ['Served by', served && `${served.provider}, ${served.model}`],
    ['Cost', costOf(video)],
    ['Attempts', attempts > 0 ? String(attempts) : null],
    ['Video', [video.seconds && `${video.seconds} s`, video.size && sizeWords(video.size)].filter(Boolean).join(', ')],
    ['File', outputs[0] && size(outputs[0].bytes)],
    ['Asked for', moment(video.created_at)],
    ['Took', completedAt === null ? null : duration(completedAt - video.created_at)],
    ['Kept until', outputs.length > 0 && expiresAt !== null ? moment(expiresAt) : null],
    ['Id', video.id],
  ];
  return all.flatMap(([term, text]) => (text ? [[term, text]] : []));
}

/** @param {Video} video */
function costOf({ cost_usd: cost, served_by: served }) {
  if (cost === null) return null;
  return served?.provider === 'simulator' ? `${money(cost)}, simulated` : money(cost);
}

/** @param {string} term @param {string} text */
function factOf(term, text) {
  const attributes = term === 'Id' ? { class: 'wide' } : undefined;
  return make('div', attributes, [make('dt', {}, [term]), make('dd', {}, [text])]);
}
