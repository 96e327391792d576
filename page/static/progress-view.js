import { find, make, tell } from './elements.js';
import { isOver, placeOf } from './words.js';

const nothing = 'It appears here: its place in line, how far it is, and then the video itself.';

/** What stands in the frame until there is a video: the place in line, and a level that rises. */
export function createProgressView() {
  const waiting = find('waiting', HTMLElement);
  const progress = find('progress', HTMLProgressElement);
  const water = find('water', HTMLElement);
  const frame = find('frame', HTMLElement);
  return { show, clear, end };

  /** @param {Video} video */
  function show(video) {
    progress.hidden = isOver(video.status);
    progress.value = video.progress;
    water.style.height = progress.hidden ? '0' : `${video.progress}%`;
    const lines = linesOf(video);
    frame.classList.toggle('flat', progress.hidden && video.outputs.length === 0);
    waiting.replaceChildren(
      ...lines.map((line, index) =>
        index === 0 ? make('strong', {}, [line.replace(/\.$/, '')]) : make('span', {}, [line]),
      ),
    );
    waiting.hidden = lines.length === 0;
  }

  function clear() {
    progress.hidden = true;
    water.style.height = '0';
    frame.classList.remove('flat');
    tell(waiting, nothing);
  }

  /** Nothing more is to come. @param {string} text */
  function end(text) {
    frame.classList.add('flat');
    tell(waiting, text);
  }
}

/** @param {Video} video @returns {string[]} */
function linesOf(video) {
  const { status, progress, outputs } = video;
  if (status === 'queued') return placeOf(video);
  if (status === 'in_progress') return [progress === 0 ? 'Under way' : `${progress} %`, ...placeOf(video)];
  if (outputs.length > 0) return [];
  if (status === 'completed') return ['No longer kept', 'Make it again to see it.'];
  return status === 'cancelled' ? ['Cancelled', 'There is no video.'] : ['There is no video'];
}
