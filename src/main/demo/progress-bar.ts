import type { Video } from './demo-client.ts';

const width = 30;

/** One line that says where a video is: its place in the queue, then how far it has come. */
export function progressLine(video: Video): string {
  if (video.status === 'queued') {
    const { position, eta_seconds: eta } = video.queue ?? { position: null, eta_seconds: null };
    const place = position === null ? '' : `, position ${position}`;
    return `${bar(0)}   0% queued${place}${eta === null ? '' : `, about ${eta} s to go`}`;
  }
  const label = video.status === 'in_progress' ? 'rendering' : video.status;
  return `${bar(video.progress)} ${String(video.progress).padStart(3)}% ${label}`;
}

function bar(percent: number): string {
  const full = Math.round((width * percent) / 100);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
}

/** Redraws one line on a terminal; elsewhere prints a line whenever it changes. */
export function createLivePrinter(output: NodeJS.WriteStream): { show(line: string): void; end(): void } {
  let last = '';
  return {
    show(line) {
      if (line === last) return;
      last = line;
      output.write(output.isTTY ? `\r\u001b[K  ${line}` : `  ${line}\n`);
    },
    end() {
      if (output.isTTY && last !== '') output.write('\n');
    },
  };
}
