/**
 * Advice is written as one types it beside the sources. What is built has neither npm nor the sources: there the program is
 * `spillway`, in the image as after `npm link`.
 */
export function asTyped(text: string, file: string = import.meta.url): string {
  if (file.endsWith('.ts')) return text;
  return text.replaceAll(ofNpm, 'spillway $1');
}

/** npm wants two dashes before what is not its own. */
const ofNpm =
  /\bnpm (?:run )?(start|demo|api|worker|migrate|ops|replay|deploy|doctor|admin|simulator|plan)\b(?: --(?= ))?/g;
