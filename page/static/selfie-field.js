import { find, tell } from './elements.js';
import { size } from './words.js';

const bytesMax = 10 * 1024 * 1024;
const types = ['image/jpeg', 'image/png', 'image/webp'];

/**
 * The field for a picture: chosen, dropped or pasted, and shown before it is sent.
 * @param {(picture: Picture | undefined) => void} onChange
 * @typedef {{ file: File, isTall: boolean | undefined }} Picture
 */
export function createSelfieField(onChange) {
  const input = find('selfie', HTMLInputElement);
  const drop = find('drop', HTMLElement);
  const preview = find('preview', HTMLImageElement);
  const text = find('selfie-text', HTMLElement);
  const remove = find('selfie-remove', HTMLButtonElement);
  const error = find('input_reference-error', HTMLElement);
  /** @type {File | undefined} */
  let chosen;

  input.addEventListener('change', () => take(input.files?.[0]));
  remove.addEventListener('click', () => {
    take(undefined);
    input.focus();
  });
  listenToDrops(drop, take);
  document.addEventListener('paste', (event) => {
    const file = event.clipboardData?.files[0];
    if (file !== undefined) take(file);
  });
  preview.addEventListener('load', () => tellChange(preview.naturalHeight > preview.naturalWidth));
  preview.addEventListener('error', () => {
    if (chosen === undefined) return;
    tell(error, 'This file can’t be shown as a picture. Choose another one.');
    setInvalid(true);
  });

  return { file: () => chosen, take };

  /** @param {File | undefined} file */
  function take(file) {
    const fault = file === undefined ? undefined : faultOf(file);
    chosen = fault === undefined ? file : undefined;
    tell(error, fault);
    setInvalid(fault !== undefined);
    if (chosen === undefined) input.value = '';
    show();
    tellChange(undefined);
  }

  function show() {
    if (preview.src !== '') URL.revokeObjectURL(preview.src);
    preview.hidden = remove.hidden = chosen === undefined;
    drop.classList.toggle('filled', chosen !== undefined);
    if (chosen === undefined) preview.removeAttribute('src');
    else preview.src = URL.createObjectURL(chosen);
    text.textContent =
      chosen === undefined ? 'Choose a picture, or drop it here' : `${chosen.name || 'Picture'}, ${size(chosen.size)}`;
  }

  /** @param {boolean | undefined} isTall */
  function tellChange(isTall) {
    onChange(chosen && { file: chosen, isTall });
  }

  /** @param {boolean} isInvalid */
  function setInvalid(isInvalid) {
    input.toggleAttribute('aria-invalid', false);
    if (isInvalid) input.setAttribute('aria-invalid', 'true');
  }
}

/** What is wrong with it, before it is sent: the server looks closer. @param {File} file */
function faultOf(file) {
  if (!types.includes(file.type)) return 'This has to be a JPEG, PNG or WebP picture.';
  if (file.size > bytesMax) return `This may have ${size(bytesMax)}; it has ${size(file.size)}.`;
  return undefined;
}

/** @param {HTMLElement} drop @param {(file: File) => void} take */
function listenToDrops(drop, take) {
  // A picture that misses the field must not replace the page.
  for (const kind of ['dragover', 'drop']) document.addEventListener(kind, (event) => event.preventDefault());
  drop.addEventListener('dragover', () => drop.classList.add('over'));
  for (const kind of ['dragleave', 'drop']) drop.addEventListener(kind, () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    const file = event.dataTransfer?.files[0];
    if (file !== undefined) take(file);
  });
}
