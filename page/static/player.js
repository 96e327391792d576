import { contentOf, linkOf, ProblemError } from './api.js';
import { find } from './elements.js';

/**
 * Plays the video: straight from the API where the browser may call it, else from memory.
 * @param {(error: unknown) => void} onProblem
 */
export function createPlayer(onProblem) {
  const frame = find('frame', HTMLElement);
  const video = find('player', HTMLVideoElement);
  const download = find('download', HTMLAnchorElement);
  /** @type {string | undefined} */
  let shownId;
  let isFromMemory = false;

  // A token ends after a day; the key may still open what it opened.
  video.addEventListener('error', () => {
    if (shownId !== undefined && !isFromMemory && video.hasAttribute('src')) void playFromMemory(shownId);
  });
  return { show, clear };

  /** @param {Video} made */
  function show({ id, size }) {
    if (shownId === id) return;
    clear();
    shownId = id;
    frame.style.aspectRatio = (size ?? '16x9').replace('x', ' / ');
    download.download = `${id}.mp4`;
    const link = linkOf(`/v1/videos/${id}/content`, id);
    if (link === undefined) void playFromMemory(id);
    else play(link);
  }

  function clear() {
    shownId = undefined;
    isFromMemory = false;
    if (video.src.startsWith('blob:')) URL.revokeObjectURL(video.src);
    video.hidden = download.hidden = true;
    if (video.hasAttribute('src')) {
      video.removeAttribute('src');
      video.load();
    }
    frame.style.removeProperty('aspect-ratio');
  }

  /** @param {string} url */
  function play(url) {
    video.src = url;
    download.href = url;
    video.hidden = download.hidden = false;
  }

  /** @param {string} id */
  async function playFromMemory(id) {
    isFromMemory = true;
    try {
      const content = await contentOf(id);
      if (shownId === id) play(URL.createObjectURL(content));
    } catch (error) {
      if (shownId === id) onProblem(isUnreachable(error) ? elsewhere() : error);
    }
  }
}

/** A bucket takes no key, and a page may not read from it as it plays from it. @param {unknown} error */
function isUnreachable(error) {
  return error instanceof ProblemError && error.problem.code === 'unreachable';
}

function elsewhere() {
  return new ProblemError({
    code: 'unreachable',
    title: 'The video can’t be fetched with the key from here.',
    detail: 'Play it in the tab that asked for it, or fetch GET /v1/videos/{id}/content with a program.',
  });
}
