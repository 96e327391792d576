import { call, ProblemError } from './api.js';
import { curlOf } from './curl.js';
import { find, tell } from './elements.js';
import { createModelFields } from './model-fields.js';
import { hideProblem, showProblem } from './problem-view.js';
import { createSelfieField } from './selfie-field.js';

const fieldNames = ['prompt', 'input_reference', 'model', 'seconds', 'size'];

/**
 * The form that asks for a video.
 * @param {{ isSimulated: boolean, onAccepted: (video: Video) => void }} settings
 */
export function createMakeForm({ isSimulated, onAccepted }) {
  const form = find('make', HTMLFormElement);
  const prompt = find('prompt', HTMLTextAreaElement);
  const submit = find('submit', HTMLButtonElement);
  const problem = find('make-problem', HTMLElement);
  let isSending = false;
  /** One for each request as it is filled in, so that one whose answer was lost can be sent again. */
  let idempotencyKey = newKey();

  const fields = createModelFields(onChange);
  const selfie = createSelfieField((picture) => fields.setPicture(picture !== undefined, picture?.isTall));
  prompt.addEventListener('input', onChange);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void send();
  });
  return { fill: fields.fill, prefill };

  function onChange() {
    idempotencyKey = newKey();
    const price = fields.estimate();
    find('estimate', HTMLElement).textContent =
      price && (isSimulated ? `${price} at a real provider; nothing here` : price);
    find('curl', HTMLElement).textContent = curlOf({ fields: textFields(), file: selfie.file()?.name });
  }

  async function send() {
    if (isSending) return;
    clearErrors();
    setSending(true);
    try {
      const { body } = await call('/v1/videos', {
        method: 'POST',
        headers: { 'idempotency-key': idempotencyKey },
        body: bodyOf({ fields: textFields(), file: selfie.file() }),
      });
      idempotencyKey = newKey();
      onAccepted(body);
    } catch (error) {
      showError(error);
    } finally {
      setSending(false);
    }
  }

  /** An empty prompt goes along, so that it is called empty and not missing. @returns {Record<string, string>} */
  function textFields() {
    const entries = [...new FormData(form)].flatMap(([name, value]) =>
      typeof value === 'string' && (value !== '' || name === 'prompt') ? [[name, value]] : [],
    );
    return Object.fromEntries(entries);
  }

  /** A button that is disabled would lose the focus. @param {boolean} value */
  function setSending(value) {
    isSending = value;
    submit.setAttribute('aria-disabled', String(value));
    submit.textContent = value ? 'Sending…' : 'Make the video';
  }

  /** Each message stands at its field; what has none stands above the button. @param {unknown} error */
  function showError(error) {
    const errors = error instanceof ProblemError ? (error.problem.errors ?? []) : [];
    const atFields = errors.filter(({ pointer }) => fieldNames.includes(fieldOf(pointer)));
    for (const { pointer, message } of atFields) setFieldError(fieldOf(pointer), message);
    if (atFields.length === 0 || atFields.length < errors.length) void showProblem(problem, error);
    if (atFields[0] !== undefined) inputOf(fieldOf(atFields[0].pointer)).focus();
  }

  function clearErrors() {
    hideProblem(problem);
    for (const name of fieldNames) setFieldError(name);
  }

  /** In the demo everything is there, so that one click shows it all. @param {{ prompt: string, picture?: File }} sample */
  function prefill({ prompt: text, picture }) {
    if (prompt.value === '') prompt.value = text;
    if (picture !== undefined && selfie.file() === undefined) selfie.take(picture);
    onChange();
  }
}

/** @param {{ fields: Record<string, string>, file: File | undefined }} request */
function bodyOf({ fields, file }) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  if (file !== undefined) body.set('input_reference', file, file.name || 'selfie');
  return body;
}

/** The first step of a JSON pointer. @param {string} pointer */
function fieldOf(pointer) {
  return pointer.split('/')[1] ?? '';
}

/** @param {string} name */
function inputOf(name) {
  return find(name === 'input_reference' ? 'selfie' : name, HTMLElement);
}

/** @param {string} name @param {string} [message] */
function setFieldError(name, message) {
  tell(find(`${name}-error`, HTMLElement), message);
  if (message === undefined) inputOf(name).removeAttribute('aria-invalid');
  else inputOf(name).setAttribute('aria-invalid', 'true');
}

/** `crypto.randomUUID` is missing where the page is neither on this machine nor sent by https. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
