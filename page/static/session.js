const keyName = 'spillway.key';
const tokensName = 'spillway.tokens';
const tokensMax = 50;

/** The key, kept in this tab only: it is gone when the tab is closed. Empty: there is none, or none is asked for. */
export function readKey() {
  return read(keyName) ?? '';
}

/** @param {string} key */
export function keepKey(key) {
  write(keyName, key);
}

/** Forgets the tokens too: they open what the key has made. */
export function forgetKey() {
  for (const name of [keyName, tokensName]) write(name);
}

/**
 * The token of a video that was made in this tab. It may stand in URLs, where a key must not.
 * @param {string} id
 * @returns {string | undefined}
 */
export function tokenOf(id) {
  return tokens().find(([known]) => known === id)?.[1];
}

/** @param {string} id @param {string} token */
export function keepToken(id, token) {
  const others = tokens().filter(([known]) => known !== id);
  write(tokensName, JSON.stringify([[id, token], ...others].slice(0, tokensMax)));
}

/** @returns {[string, string][]} */
function tokens() {
  try {
    return JSON.parse(read(tokensName) ?? '[]');
  } catch {
    return [];
  }
}

/** Browsers may forbid storage: then what is kept lasts until the page is left. */
const memory = new Map();

/** @param {string} name @returns {string | undefined} */
function read(name) {
  try {
    return sessionStorage.getItem(name) ?? undefined;
  } catch {
    return memory.get(name);
  }
}

/** @param {string} name @param {string} [value] */
function write(name, value) {
  try {
    if (value === undefined) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
  } catch {
    memory.set(name, value);
  }
}
