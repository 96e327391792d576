import { call } from './api.js';
import { find, make } from './elements.js';
import { duration, money, size } from './words.js';

/** Milliseconds: what happens within is read at once. */
const gatherMs = 250;

/** What happened to a video, read again whenever something has. */
export function createTimelineView() {
  const story = find('story', HTMLElement);
  const attempts = find('attempts', HTMLElement);
  const list = find('timeline', HTMLElement);
  /** @type {string | undefined} */
  let shownId;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let reads = 0;

  return { show, refresh };

  /** @param {string | undefined} id */
  function show(id) {
    if (id !== shownId) {
      story.hidden = true;
      attempts.replaceChildren();
      list.replaceChildren();
    }
    shownId = id;
    clearTimeout(timer);
    timer = undefined;
    if (id !== undefined) refresh();
  }

  function refresh() {
    timer ??= setTimeout(() => void read(), gatherMs);
  }

  async function read() {
    timer = undefined;
    const id = shownId;
    if (id === undefined) return;
    const turn = (reads += 1);
    try {
      const { body } = await call(`/v1/videos/${id}/timeline`);
      // An answer that was overtaken knows less than what is shown.
      if (id === shownId && turn === reads) render(body);
    } catch {
      // It is a side show: the next event asks again, and what is shown stays.
    }
  }

  /** @param {Timeline} timeline */
  function render(timeline) {
    const [first] = timeline.events;
    if (first === undefined) return;
    const startedMs = Date.parse(first.at);
    list.replaceChildren(...timeline.events.map((event) => itemOf(event, { timeline, startedMs })));
    attempts.replaceChildren(...(timeline.attempts.length > 0 ? [tableOf(timeline.attempts)] : []));
    story.hidden = false;
  }
}

/** @param {TimelineEvent} event @param {{ timeline: Timeline, startedMs: number }} context */
function itemOf(event, { timeline, startedMs }) {
  const after = (Date.parse(event.at) - startedMs) / 1_000;
  const time = make('time', { datetime: event.at, title: new Date(event.at).toLocaleString() }, [
    `+${duration(after)}`,
  ]);
  return make('li', { class: toneOf(event.kind) }, [time, make('span', {}, [sentenceOf(event, timeline)])]);
}

/** @param {TimelineEvent} event @param {Timeline} timeline */
function sentenceOf({ kind, data }, { attempts }) {
  const number = Number(data.attempt ?? 0);
  const target = attempts.find(({ attempt }) => attempt === number)?.target;
  const which = number > 1 || attempts.length > 1 ? `Attempt ${number}` : 'It';
  const failure = typeof data.failure === 'string' ? `: ${plain(data.failure)}` : '';
  return sentences[kind]?.({ which, target, failure, data }) ?? plain(kind);
}

/** @typedef {{ which: string, target: string | undefined, failure: string, data: Readonly<Record<string, unknown>> }} Told */

/** @type {Readonly<Record<string, (told: Told) => string>>} */
const sentences = {
  'job.queued': () => 'Accepted, and in line.',
  'job.completed': () => 'Done.',
  'job.failed': ({ failure }) => `Failed${failure}.`,
  'job.cancelled': () => 'Cancelled.',
  'cancel.requested': () => 'A cancel was asked for.',
  'attempt.queued': ({ which }) => `${which} is in line again.`,
  'attempt.moved': ({ which }) => `${which} was moved to a provider that has room.`,
  'attempt.started': ({ which, target }) => `${which} is sent${target === undefined ? '' : ` to ${target}`}.`,
  'attempt.accepted': () => 'The provider has taken it.',
  'attempt.refused': ({ failure }) => `The provider refused it${failure}.`,
  'attempt.unknown': () => 'The answer was lost: it is looked into, and not paid for twice.',
  'attempt.resolved': () => 'It is known again what became of it.',
  'attempt.ended': ({ data, failure }) =>
    data.outcome === 'finished' ? 'The provider has made it.' : `The provider is done with it${failure}.`,
  'asset.stored': ({ data }) => `Our own copy is kept${typeof data.bytes === 'number' ? `, ${size(data.bytes)}` : ''}.`,
  'asset.failed': ({ failure }) => `The file could not be kept${failure}.`,
};

/** @param {string} code */
function plain(code) {
  return code.replaceAll(/[._]/g, ' ');
}

/** @param {string} kind */
function toneOf(kind) {
  if (/\.(failed|refused|unknown)$/.test(kind)) return 'bad';
  return kind === 'job.completed' ? 'good' : 'plain';
}

/** @param {readonly Attempt[]} attempts */
function tableOf(attempts) {
  const head = make(
    'tr',
    {},
    ['Attempt', 'Target', 'Outcome', 'Cost'].map((text) => make('th', { scope: 'col' }, [text])),
  );
  const rows = attempts.map((attempt) =>
    make('tr', {}, [
      make('th', { scope: 'row' }, [String(attempt.attempt)]),
      make('td', {}, [attempt.target]),
      make('td', {}, [plain(attempt.failure_code ?? attempt.outcome ?? attempt.state)]),
      make('td', {}, [attempt.cost_usd === null ? '–' : money(attempt.cost_usd)]),
    ]),
  );
  return make('table', {}, [make('caption', {}, ['Attempts']), make('thead', {}, [head]), make('tbody', {}, rows)]);
}
