/** @type {Readonly<Record<Video['status'], string>>} */
export const statusWords = {
  queued: 'In line',
  in_progress: 'Being made',
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** @param {Video['status']} status */
export function isOver(status) {
  return status !== 'queued' && status !== 'in_progress';
}

/** @type {Readonly<Record<string, string>>} */
const reasons = {
  waiting_capacity: 'All places at the provider are taken.',
  waiting_rate: 'The provider takes one after the other.',
  waiting_budget: 'The budget has no room for it now.',
  waiting_target: 'The provider has trouble, and is left alone for a while.',
  waiting_operator: 'The operator has paused it for a while.',
  waiting_retry: 'The provider asked us to come back later.',
  starting: 'It is about to start.',
};

/** Where a video stands, in up to three short sentences. @param {Video} video */
export function placeOf({ status, queue }) {
  if (queue === null) return [status === 'queued' ? 'In line.' : 'The provider is at work.'];
  const { position, eta_seconds: eta, reason } = queue;
  const place =
    position === null || position === 0 ? [] : [position === 1 ? 'Next in line.' : `${ordinal(position)} in line.`];
  const time = eta === null ? [] : [`Ready in about ${duration(eta)}.`];
  return [...place, ...(reasons[reason] === undefined ? [] : [reasons[reason]]), ...time];
}

/** @param {number} number */
function ordinal(number) {
  const rule = new Intl.PluralRules('en', { type: 'ordinal' }).select(number);
  return `${number.toLocaleString('en')}${{ one: 'st', two: 'nd', few: 'rd', other: 'th', many: 'th', zero: 'th' }[rule]}`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, Math.round(seconds * 10) / 10)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

/** @param {number} usd */
export function money(usd) {
  return `$${usd.toFixed(usd !== 0 && usd < 0.1 ? 3 : 2)}`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1_000_000 ? `${Math.ceil(bytes / 1_000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** When that was, or will be. @param {number} unixSeconds */
export function moment(unixSeconds) {
  return new Date(unixSeconds * 1_000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** @param {number} unixSeconds */
export function ago(unixSeconds) {
  const seconds = Math.max(0, Date.now() / 1_000 - unixSeconds);
  if (seconds < 60) return 'just now';
  return seconds < 86_400 ? `${duration(seconds)} ago` : moment(unixSeconds);
}

/** As `1280 × 720`, with the way that it lies. @param {string} text */
export function sizeWords(text) {
  const [width = 0, height = 0] = text.split('x').map(Number);
  const way = width === height ? 'square' : width > height ? 'wide' : 'tall';
  return `${width} × ${height}, ${way}`;
}
