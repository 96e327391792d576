import { find, make } from './elements.js';
import { money, sizeWords } from './words.js';

/**
 * Model, length and size: only what goes together may be chosen.
 * @param {() => void} onChange
 */
export function createModelFields(onChange) {
  const model = find('model', HTMLSelectElement);
  const seconds = find('seconds', HTMLSelectElement);
  const size = find('size', HTMLSelectElement);
  /** @type {readonly Model[]} */
  let models = [];
  let hasPicture = false;
  let sizeIsChosen = false;

  model.addEventListener('change', refill);
  size.addEventListener('change', () => {
    sizeIsChosen = true;
    onChange();
  });
  seconds.addEventListener('change', onChange);
  return { fill, setPicture, estimate };

  /** @param {readonly Model[]} known */
  function fill(known) {
    models = known.filter(({ status }) => status === 'active');
    const options = models.map(({ id }) => make('option', { value: id }, [id]));
    setOptions(
      model,
      options.length > 0 ? options : [make('option', { value: '' }, ['None: no provider has a key here'])],
    );
    refill();
  }

  /** A tall picture makes a tall video, as long as nobody has chosen otherwise. @param {boolean} has @param {boolean} [isTall] */
  function setPicture(has, isTall) {
    hasPicture = has;
    refill();
    if (sizeIsChosen || isTall === undefined) return;
    const fitting = [...size.options].find(({ value }) => value !== '' && isTallSize(value) === isTall);
    if (fitting !== undefined) size.value = fitting.value;
    onChange();
  }

  function refill() {
    const mode = modeOf(chosen());
    setOptions(
      seconds,
      (mode?.seconds ?? []).map((value) => make('option', { value: String(value) }, [`${value} s`])),
    );
    setOptions(
      size,
      (mode?.sizes ?? []).map((value) => make('option', { value }, [sizeWords(value)])),
    );
    onChange();
  }

  function chosen() {
    return models.find(({ id }) => id === model.value);
  }

  /** @param {{ text: Mode | null, image: Mode | null } | undefined} thing */
  function modeOf(thing) {
    return hasPicture ? thing?.image : thing?.text;
  }

  /** By the first target that can make it, which is the one that is asked first. */
  function estimate() {
    const target = chosen()?.targets.find((one) => one.available && modeOf(one)?.sizes.includes(size.value));
    const price = target?.price_per_second?.values[size.value];
    return price === undefined ? '' : `About ${money(price * Number(seconds.value))}`;
  }
}

/** Keeps what was chosen, where it may still be. @param {HTMLSelectElement} select @param {HTMLElement[]} options */
function setOptions(select, options) {
  const before = select.value;
  select.replaceChildren(...options);
  if ([...select.options].some(({ value }) => value === before)) select.value = before;
}

/** @param {string} size */
function isTallSize(size) {
  const [width = 0, height = 0] = size.split('x').map(Number);
  return height > width;
}
