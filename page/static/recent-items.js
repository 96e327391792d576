import { find, make } from './elements.js';
import { ago, statusWords } from './words.js';

/**
 * Shows the videos as links, and keeps the focus where it was, or sets it.
 * @param {readonly Video[]} videos
 * @param {{ selected: string | undefined, focused: string | undefined }} which
 */
export function showItems(videos, { selected, focused }) {
  const list = find('recent', HTMLUListElement);
  const active = document.activeElement;
  const href = focused === undefined ? list.contains(active) && active?.getAttribute('href') : `#${focused}`;
  list.replaceChildren(...videos.map((video) => itemOf(video, video.id === selected)));
  find('recent-empty', HTMLElement).hidden = videos.length > 0;
  if (href) for (const link of list.querySelectorAll('a')) if (link.getAttribute('href') === href) link.focus();
}

/** @param {Video} video @param {boolean} isSelected */
function itemOf({ id, prompt, status, progress, model, created_at: createdAt }, isSelected) {
  const word = status === 'in_progress' ? `${progress} %` : statusWords[status];
  const link = make('a', { href: `#${id}`, ...(isSelected && { 'aria-current': 'true' }) }, [
    make('span', { class: 'what' }, [prompt ?? 'Without a prompt']),
    make('span', { class: 'chip', 'data-status': status }, [word]),
    make('span', { class: 'when' }, [`${model}, ${ago(createdAt)}`]),
  ]);
  return make('li', {}, [link]);
}
