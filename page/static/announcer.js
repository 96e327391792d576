import { find } from './elements.js';
import { isOver, placeOf, statusWords } from './words.js';

/** Milliseconds between two announcements of mere progress. */
const quietMs = 15_000;

/** Says aloud what those who don't see the page have to know, and no more often than one can bear. */
export function createAnnouncer() {
  const live = find('live', HTMLElement);
  /** @type {string | undefined} */
  let last;
  let saidAt = 0;
  return { announce, announceVideo };

  /** @param {string} text */
  function announce(text) {
    saidAt = Date.now();
    live.textContent = text;
  }

  /** A new status at once; the place in line and every quarter of the way, if nothing was said for a while. @param {Video} video */
  function announceVideo(video) {
    const { id, status, progress, queue, error } = video;
    const stand = `${id} ${status}`;
    const step = `${stand} ${queue?.position ?? ''} ${Math.floor(progress / 25)}`;
    const isNew = last === undefined || !last.startsWith(stand);
    if (step === last || (!isNew && Date.now() - saidAt < quietMs)) return;
    last = step;
    const about = isOver(status) ? (error === null ? [] : [error.message]) : placeOf(video);
    announce(
      [`${statusWords[status]}.`, ...(progress > 0 && progress < 100 ? [`${progress} percent.`] : []), ...about].join(
        ' ',
      ),
    );
  }
}
