import { describe, expect, test } from 'vitest';
import type { Video } from '../../../src/main/demo/demo-client.ts';
import { createLivePrinter, progressLine } from '../../../src/main/demo/progress-bar.ts';

function video(changes: Partial<Video>): Video {
  const named = { id: 'video_1', model: 'wan-2.6', seconds: '5', size: '1280x720' };
  return { ...named, status: 'queued', progress: 0, error: null, ...changes };
}

describe('the line of a video', () => {
  test('that waits says its place and what is left', () => {
    const queue = { position: 3, eta_seconds: 12 };
    expect(progressLine(video({ queue }))).toBe(`[${'-'.repeat(30)}]   0% queued, position 3, about 12 s to go`);
  });

  test('that waits and knows neither says so little', () => {
    expect(progressLine(video({ queue: { position: null, eta_seconds: null } }))).toBe(
      `[${'-'.repeat(30)}]   0% queued`,
    );
    expect(progressLine(video({}))).toBe(`[${'-'.repeat(30)}]   0% queued`);
  });

  test.each([
    { status: 'in_progress', progress: 50, full: 15, says: ' 50% rendering' },
    { status: 'in_progress', progress: 7, full: 2, says: '  7% rendering' },
    { status: 'completed', progress: 100, full: 30, says: '100% completed' },
    { status: 'failed', progress: 40, full: 12, says: ' 40% failed' },
  ] as const)('that is $status at $progress is as wide as any', ({ status, progress, full, says }) => {
    expect(progressLine(video({ status, progress }))).toBe(`[${'#'.repeat(full)}${'-'.repeat(30 - full)}] ${says}`);
  });
});

describe('the printer', () => {
  const printed = (isTTY: boolean, lines: readonly string[]): string => {
    const written: unknown[] = [];
    const write = (text: unknown): boolean => written.push(text) > 0;
    const get = (_stream: unknown, property: string): unknown => (property === 'isTTY' ? isTTY : write);
    const printer = createLivePrinter(new Proxy<NodeJS.WriteStream>(process.stdout, { get }));
    for (const line of lines) printer.show(line);
    printer.end();
    return written.join('');
  };

  test('redraws one line on a terminal, and leaves it', () => {
    expect(printed(true, ['a', 'a', 'b'])).toBe('\r\u001b[K  a\r\u001b[K  b\n');
  });

  test('prints a line for each change elsewhere', () => {
    expect(printed(false, ['a', 'a', 'b'])).toBe('  a\n  b\n');
  });

  test('that showed nothing ends nothing', () => {
    expect(printed(true, [])).toBe('');
  });
});
