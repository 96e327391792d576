import { call } from './api.js';
import { askToDelete } from './delete-video.js';
import { find, make, tell } from './elements.js';
import { showFacts } from './facts-view.js';
import { createPlayer } from './player.js';
import { hideProblem, showProblem } from './problem-view.js';
import { createProgressView } from './progress-view.js';
import { createTimelineView } from './timeline-view.js';
import { isOver, statusWords } from './words.js';

/**
 * The one video that is looked at.
 * @param {{ announce: (text: string) => void, onDeleted: (id: string) => void }} settings
 */
export function createStage({ announce, onDeleted }) {
  const status = find('status', HTMLElement);
  const problem = find('stage-problem', HTMLElement);
  const cancel = find('cancel', HTMLButtonElement);
  const progress = createProgressView();
  const player = createPlayer((error) => void showProblem(problem, error));
  const timeline = createTimelineView();
  /** @type {Video | undefined} */
  let shown;

  cancel.addEventListener('click', () => void cancelShown());
  find('delete', HTMLButtonElement).addEventListener('click', () => void deleteShown());
  clear();
  return { show, clear, showError, refresh: timeline.refresh };

  /** @param {Video} video */
  function show(video) {
    if (shown?.id !== video.id) begin(video);
    const changed = shown?.status !== video.status || shown.attempts !== video.attempts;
    shown = video;
    tell(status, statusWords[video.status]);
    status.dataset.status = video.status;
    tell(find('stage-prompt', HTMLElement), video.prompt ?? '');
    progress.show(video);
    cancel.hidden = isOver(video.status);
    if (video.outputs.length > 0) player.show(video);
    if (video.status === 'failed' && video.error !== null) showFailure(problem, video.error.message);
    showFacts(video);
    if (changed) timeline.refresh();
  }

  /** @param {Video} video */
  function begin(video) {
    clear();
    timeline.show(video.id);
    cancel.disabled = false;
    find('actions', HTMLElement).hidden = false;
  }

  function clear() {
    shown = undefined;
    hideProblem(problem);
    progress.clear();
    player.clear();
    timeline.show(undefined);
    tell(find('stage-title', HTMLElement), 'Your video');
    tell(find('stage-prompt', HTMLElement));
    for (const id of ['status', 'facts', 'receipt', 'actions']) find(id, HTMLElement).hidden = true;
  }

  async function cancelShown() {
    if (shown === undefined) return;
    cancel.disabled = true;
    try {
      const { body } = await call(`/v1/videos/${shown.id}/cancel`, { method: 'POST' });
      announce('The cancel is asked for.');
      if (body.id === shown?.id && isOver(body.status)) show(body);
    } catch (error) {
      cancel.disabled = false;
      await showProblem(problem, error);
    }
  }

  async function deleteShown() {
    if (shown === undefined) return;
    const { id } = shown;
    const receipt = await askToDelete(id).catch((error) => void showProblem(problem, error));
    if (receipt === undefined) return;
    clear();
    progress.end('The video is gone. This is the receipt.');
    showReceipt(receipt);
    onDeleted(id);
  }

  /** @param {unknown} error */
  function showError(error) {
    if (shown === undefined) progress.end('There is nothing to show.');
    void showProblem(problem, error);
  }
}

/** @param {HTMLElement} box @param {string} message */
function showFailure(box, message) {
  hideProblem(box);
  box.replaceChildren(make('strong', {}, ['The video was not made.']), make('p', {}, [message]));
  box.hidden = false;
}

/** The buttons that had the focus are gone. @param {HTMLElement} receipt */
function showReceipt(receipt) {
  const box = find('receipt', HTMLElement);
  box.replaceChildren(receipt);
  box.hidden = false;
  const title = find('stage-title', HTMLElement);
  tell(title, 'Deleted');
  title.focus();
}
