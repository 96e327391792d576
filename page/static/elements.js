/**
 * The element of this id, which has to be of this kind.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function find(id, kind) {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`The page has no ${kind.name} called ${id}.`);
}

/**
 * A new element with text or children. Text is only ever text: nothing here is read as HTML.
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Shows the text in the element, or hides it where there is none.
 * @param {HTMLElement} element
 * @param {string} [text]
 */
export function tell(element, text = '') {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === '';
}
