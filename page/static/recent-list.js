import { call } from './api.js';
import { find } from './elements.js';
import { hideProblem, showProblem } from './problem-view.js';
import { showItems } from './recent-items.js';
import { isOver } from './words.js';

const pageSize = 10;
/** Milliseconds, while one of them is under way and somebody looks. */
const lookEveryMs = 5_000;

/** The last videos, the newest first. */
export function createRecentList() {
  const older = find('older', HTMLButtonElement);
  const problem = find('recent-problem', HTMLElement);
  /** @type {Map<string, Video>} */
  let videos = new Map();
  /** What comes after it has not been asked for. @type {string | undefined} */
  let last;
  /** @type {string | undefined} */
  let selected;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  older.addEventListener('click', () => void orProblem(readOlder));
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) void read();
  });
  return { read, put, drop, select };

  async function read() {
    await orProblem(async () => {
      const page = await pageOf('');
      // What lies behind this page was asked for before, and stays.
      const behind = page.has_more ? [...videos].filter(([id]) => id < page.last_id) : [];
      videos = new Map([...page.data.map(byId), ...behind]);
      if (last !== undefined && page.has_more) return;
      last = page.last_id ?? undefined;
      older.hidden = !page.has_more;
    });
    lookAgain();
  }

  async function readOlder() {
    const page = await pageOf(`&after=${encodeURIComponent(last ?? '')}`);
    last = page.last_id ?? last;
    videos = new Map([...videos, ...page.data.map(byId)]);
    older.hidden = !page.has_more;
    render(page.data[0]?.id);
  }

  /** @param {() => Promise<void>} work */
  async function orProblem(work) {
    try {
      await work();
      hideProblem(problem);
      render();
    } catch (error) {
      void showProblem(problem, error);
    }
  }

  function lookAgain() {
    clearTimeout(timer);
    const isLively = [...videos.values()].some(({ status }) => !isOver(status));
    timer = isLively && !document.hidden ? setTimeout(() => void read(), lookEveryMs) : undefined;
  }

  /** What is known of it by other means. @param {Video} video */
  function put(video) {
    videos.set(video.id, video);
    render();
    if (timer === undefined) lookAgain();
  }

  /** @param {string} id */
  function drop(id) {
    videos.delete(id);
    render();
  }

  /** @param {string | undefined} id */
  function select(id) {
    selected = id;
    render();
  }

  /** @param {string} [focused] */
  function render(focused) {
    // Ids begin with the time.
    const sorted = [...videos.values()].toSorted((one, other) => (one.id < other.id ? 1 : -1));
    showItems(sorted, { selected, focused });
  }
}

/** @param {string} after @returns {Promise<any>} */
async function pageOf(after) {
  return (await call(`/v1/videos?limit=${pageSize}${after}`)).body;
}

/** @param {Video} video @returns {[string, Video]} */
function byId(video) {
  return [video.id, video];
}
