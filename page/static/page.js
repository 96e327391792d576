import { createAnnouncer } from './announcer.js';
import { call, ProblemError } from './api.js';
import { find, tell } from './elements.js';
import { follow } from './follow.js';
import { createMakeForm } from './make-form.js';
import { showProblem } from './problem-view.js';
import { createRecentList } from './recent-list.js';
import { forgetKey, keepKey, keepToken, readKey } from './session.js';
import { createStage } from './stage.js';

const isSimulated = document.querySelector('meta[name=spillway-simulated]')?.getAttribute('content') === 'true';
const samplePrompt = 'She turns to the camera and smiles, city lights behind her, cinematic';

const { announce, announceVideo } = createAnnouncer();
const recent = createRecentList();
const stage = createStage({ announce, onDeleted });
const form = createMakeForm({ isSimulated, onAccepted });
/** @type {() => void} */
let leave = () => undefined;

find('simulated', HTMLElement).hidden = !isSimulated;
find('key-form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const key = find('key', HTMLInputElement).value.trim();
  if (!/^[!-~]+$/.test(key)) {
    tell(find('key-error', HTMLElement), 'A key has letters, digits and signs, and no spaces. Copy it again.');
    return;
  }
  keepKey(key);
  void open();
});
find('forget-key', HTMLButtonElement).addEventListener('click', () => {
  forgetKey();
  location.assign('/');
});
addEventListener('hashchange', look);
void open();

/** Whether a key is needed shows when we ask for the models. */
async function open() {
  try {
    const { body } = await call('/v1/models');
    form.fill(body.data);
  } catch (error) {
    askForKey(error);
    return;
  }
  find('key-panel', HTMLElement).hidden = true;
  find('work', HTMLElement).hidden = false;
  find('forget-key', HTMLElement).hidden = readKey() === '';
  if (isSimulated) form.prefill({ prompt: samplePrompt, ...(await samplePicture()) });
  void recent.read();
  look();
}

/** @param {unknown} error */
function askForKey(error) {
  const status = error instanceof ProblemError ? error.problem.status : undefined;
  const panel = find('key-panel', HTMLElement);
  const wrong = find('key-error', HTMLElement);
  panel.hidden = false;
  find('work', HTMLElement).hidden = true;
  if (status !== 401 && status !== 403) void showProblem(wrong, error);
  else {
    if (readKey() !== '')
      tell(wrong, 'The server does not take this key. Check that all of it is there and that it is still valid.');
    forgetKey();
  }
  find('key', HTMLInputElement).focus();
}

/** @returns {Promise<{ picture?: File }>} */
async function samplePicture() {
  try {
    const response = await fetch('/page/selfie.jpg');
    if (!response.ok) return {};
    return { picture: new File([await response.blob()], 'selfie.jpg', { type: 'image/jpeg' }) };
  } catch {
    return {};
  }
}

/** @param {Video} video */
function onAccepted(video) {
  if (video.client_token !== undefined) keepToken(video.id, video.client_token);
  recent.put(video);
  if (location.hash === `#${video.id}`) look();
  else location.hash = video.id;
  bringIntoView(find('stage', HTMLElement));
}

/** On a narrow screen it lies below the form. @param {HTMLElement} element */
function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top >= 0 && top < innerHeight / 2) return;
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  element.scrollIntoView({ block: 'start', behavior: isCalm ? 'auto' : 'smooth' });
}

/** Shows the video that the address names, so that it can be gone back to and reloaded. */
function look() {
  if (!/^(#video_.*)?$/.test(location.hash)) return;
  leave();
  const id = /^#(video_[0-9a-f-]{36})$/.exec(location.hash)?.[1];
  recent.select(id);
  stage.clear();
  if (id === undefined) return;
  leave = follow(id, {
    onVideo(video) {
      stage.show(video);
      recent.put(video);
      announceVideo(video);
    },
    onEvent: stage.refresh,
    onProblem: stage.showError,
  });
}

/** @param {string} id */
function onDeleted(id) {
  leave();
  recent.drop(id);
  announce('Deleted.');
  history.replaceState(null, '', '/');
}
