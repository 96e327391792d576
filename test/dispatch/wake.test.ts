import { afterEach, expect, test } from 'vitest';
import { type Loop, startLoop } from '../../src/dispatch/wake.ts';

const loops: Loop[] = [];
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop()));
});

interface Rounds {
  readonly loop: Loop;
  readonly count: () => number;
  readonly errors: unknown[];
  /** Resolves when the round of this number begins. */
  begun(number: number): Promise<void>;
}

/** A loop that would sleep an hour, whose rounds do what the test says. */
function start(round: (number: number) => Promise<'again' | 'idle'>, everyMs = 3_600_000): Rounds {
  let count = 0;
  const waiting: { number: number; resolve: () => void }[] = [];
  const errors: unknown[] = [];
  const loop = startLoop({
    everyMs,
    round: async () => {
      count += 1;
      for (const { number, resolve } of waiting) if (number <= count) resolve();
      return await round(count);
    },
    onError: (error) => errors.push(error),
  });
  loops.push(loop);
  return {
    loop,
    count: () => count,
    errors,
    begun: (number) => new Promise((resolve) => (count >= number ? resolve() : waiting.push({ number, resolve }))),
  };
}

test('it looks once by itself, and again when it is woken', async () => {
  const rounds = start(async () => 'idle');
  await rounds.begun(1);
  rounds.loop.wake();
  await rounds.begun(2);
  expect(rounds.count()).toBe(2);
});

test('it looks by itself every so often', async () => {
  const rounds = start(async () => 'idle', 1);
  await expect(rounds.begun(5)).resolves.toBeUndefined();
});

test('while there is more to do it does not sleep', async () => {
  const rounds = start(async (number) => (number < 4 ? 'again' : 'idle'));
  await expect(rounds.begun(4)).resolves.toBeUndefined();
});

test('wake-ups during a round are one further round, and none is lost', async () => {
  let finish: (() => void) | undefined;
  const first = new Promise<void>((resolve) => (finish = resolve));
  const rounds = start(async (number) => {
    if (number === 1) await first;
    return 'idle';
  });
  await rounds.begun(1);
  for (let time = 0; time < 10; time += 1) rounds.loop.wake();
  finish?.();
  await rounds.begun(2);
  rounds.loop.wake();
  await rounds.begun(3);
  expect(rounds.count()).toBe(3);
});

test('stop ends after the round under way, and begins no other', async () => {
  let finish: (() => void) | undefined;
  let isDone = false;
  const first = new Promise<void>((resolve) => (finish = resolve));
  const rounds = start(async () => {
    await first;
    isDone = true;
    return 'again';
  });
  await rounds.begun(1);
  const stopped = rounds.loop.stop();
  rounds.loop.wake();
  finish?.();
  await stopped;
  expect([isDone, rounds.count()]).toEqual([true, 1]);
});

test('stop does not wait for the next look', async () => {
  const rounds = start(async () => 'idle');
  await rounds.begun(1);
  await rounds.loop.stop();
  expect(rounds.count()).toBe(1);
});

test('a round that fails is reported, and the next one comes all the same', async () => {
  const rounds = start(async (number) => {
    if (number === 1) throw new Error('no database');
    return 'idle';
  });
  await rounds.begun(1);
  rounds.loop.wake();
  await rounds.begun(2);
  expect(rounds.errors).toEqual([new Error('no database')]);
});
