import { call, linkOf, ProblemError } from './api.js';
import { isOver } from './words.js';

/** Milliseconds between two questions, where the server does not say. */
const askEveryMs = 2_000;
/** A stream that breaks so often in a row is given up for questions. */
const breaksMax = 3;

/**
 * Follows a video to its end: by its stream of events, or by asking again and again where there is none to be had.
 * @param {string} id
 * @param {{ onVideo: (video: Video) => void, onEvent: () => void, onProblem: (error: unknown) => void }} heard
 * @returns {() => void} ends it
 */
export function follow(id, { onVideo, onEvent, onProblem }) {
  let isEnded = false;
  /** @type {EventSource | undefined} */
  let source;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  // Each stream holds one of the few connections that a browser makes: a page that nobody sees gives its back.
  document.addEventListener('visibilitychange', onVisibility);
  void ask({ thenListen: true });
  return end;

  function end() {
    isEnded = true;
    document.removeEventListener('visibilitychange', onVisibility);
    pause();
  }

  function pause() {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  }

  function onVisibility() {
    pause();
    if (!document.hidden) void ask({ thenListen: true });
  }

  /** @param {{ thenListen: boolean }} how */
  async function ask({ thenListen }) {
    try {
      const { body, response } = await call(`/v1/videos/${id}`);
      if (isEnded) return;
      hear(body);
      if (isEnded || document.hidden) return;
      const url = linkOf(`/v1/videos/${id}/events`, id);
      if (thenListen && url !== undefined) listen(url);
      else askLater(Number(response.headers.get('retry-after') ?? 0) * 1_000 || askEveryMs);
    } catch (error) {
      if (isEnded) return;
      onProblem(error);
      if (isPassing(error)) askLater(error.retryAfterSeconds ? error.retryAfterSeconds * 1_000 : 2 * askEveryMs);
      else end();
    }
  }

  /** @param {number} delayMs */
  function askLater(delayMs) {
    clearTimeout(timer);
    timer = setTimeout(() => void ask({ thenListen: false }), delayMs);
  }

  /** @param {string} url */
  function listen(url) {
    let breaks = 0;
    source = new EventSource(url);
    const opened = source;
    source.addEventListener('video', (event) => {
      breaks = 0;
      hear(JSON.parse(event.data));
    });
    for (const kind of persistedKinds) source.addEventListener(kind, () => onEvent());
    source.addEventListener('error', () => {
      breaks += 1;
      if (opened !== source || (opened.readyState !== EventSource.CLOSED && breaks < breaksMax)) return;
      pause();
      askLater(0);
    });
  }

  /** @param {Video} video */
  function hear(video) {
    if (isEnded) return;
    if (isOver(video.status)) end();
    onVideo(video);
  }
}

/** @param {unknown} error @returns {error is ProblemError} */
function isPassing(error) {
  const status = error instanceof ProblemError ? (error.problem.status ?? 0) : 400;
  return status === 0 || status === 408 || status === 429 || status >= 500;
}

const persistedKinds = [
  'job.queued',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'cancel.requested',
  'attempt.queued',
  'attempt.moved',
  'attempt.started',
  'attempt.accepted',
  'attempt.refused',
  'attempt.unknown',
  'attempt.resolved',
  'attempt.ended',
  'asset.stored',
  'asset.failed',
];
