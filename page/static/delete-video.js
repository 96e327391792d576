import { call } from './api.js';
import { find, make } from './elements.js';
import { money, moment } from './words.js';

/**
 * Asks whether it is meant, deletes, and answers with the receipt. Undefined: it was not meant.
 * @param {string} id
 * @returns {Promise<HTMLElement | undefined>}
 */
export async function askToDelete(id) {
  if (!(await confirmed())) return undefined;
  const { body } = await call(`/v1/videos/${id}`, { method: 'DELETE' });
  return receiptOf(id, body.receipt);
}

/** @returns {Promise<boolean>} */
function confirmed() {
  const dialog = find('confirm', HTMLDialogElement);
  const no = find('confirm-no', HTMLButtonElement);
  find('confirm-yes', HTMLButtonElement).addEventListener('click', () => dialog.close('yes'), { once: true });
  no.addEventListener('click', () => dialog.close('no'), { once: true });
  // Escape closes it without a word.
  dialog.returnValue = 'no';
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
    no.focus();
  });
}

/** @type {Readonly<Record<string, string>>} */
const parts = { request: 'the prompt and all other wishes', input_image: 'the picture', video: 'the video' };

/** @type {Readonly<Record<string, string>>} */
const outcomes = {
  erased: 'has forgotten it',
  not_supported: 'has no call to delete, and forgets by its own rules',
  pending: 'is asked as soon as it is done',
  failed: 'could not be asked: ask it yourself',
};

/** @param {string} id @param {Receipt} receipt */
function receiptOf(id, { erased, pending, provider, cost_usd: cost, erased_at: erasedAt }) {
  const providers = provider.map(
    (one) =>
      `${one.provider} ${outcomes[one.outcome] ?? one.outcome}${one.operation === null ? '' : ` (${one.operation})`}`,
  );
  /** @type {[string, string][]} */
  const rows = [
    ['Erased', wordsOf(erased)],
    ...(pending.length > 0 ? /** @type {[string, string][]} */ ([['Still to come, by itself', wordsOf(pending)]]) : []),
    ['At providers', providers.length > 0 ? providers.join('; ') : 'nobody was sent anything'],
    ['Cost, which stays booked', cost === null ? 'none' : money(cost)],
    ['Complete', erasedAt === null ? 'not yet' : moment(erasedAt)],
    ['Id', id],
  ];
  return make(
    'dl',
    { class: 'facts list' },
    rows.map(([term, text]) => make('div', {}, [make('dt', {}, [term]), make('dd', {}, [text])])),
  );
}

/** @param {readonly string[]} names */
function wordsOf(names) {
  return names.map((name) => parts[name] ?? name).join(', ');
}
