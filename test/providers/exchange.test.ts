import type { Dispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { Exchange, type Receiver } from '../../src/providers/exchange.ts';

const timeouts = { totalMs: 10_000, firstByteMs: 3_000, idleMs: 1_000 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the deadlines', () => {
  test('before anything is written, only the total runs', () => {
    const { outcome } = setup();
    vi.advanceTimersByTime(9_999);
    expect(outcome()).toBe('under way');
    vi.advanceTimersByTime(1);
    expect(outcome()).toMatchObject({ reason: 'timeout', sent: false });
  });

  test('the first byte is waited for from the moment of writing', () => {
    const { exchange, controller, outcome } = setup();
    vi.advanceTimersByTime(5_000);
    exchange.onRequestStart(controller);
    vi.advanceTimersByTime(2_999);
    expect(outcome()).toBe('under way');
    vi.advanceTimersByTime(1);
    expect(outcome()).toMatchObject({ reason: 'timeout', sent: true });
    expect(controller.aborted).toBe(true);
  });

  test('without one of its own, the first byte has all the time that there is', () => {
    const { exchange, controller, outcome } = setup({ totalMs: 10_000, idleMs: 1_000 });
    exchange.onRequestStart(controller);
    vi.advanceTimersByTime(9_999);
    expect(outcome()).toBe('under way');
  });

  test('an informational head is no answer yet', () => {
    const { exchange, controller, outcome } = setup();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 103, {});
    vi.advanceTimersByTime(2_999);
    expect(outcome()).toBe('under way');
    vi.advanceTimersByTime(1);
    expect(outcome()).toMatchObject({ reason: 'timeout' });
  });

  test('each piece of the answer starts the wait for the next', () => {
    const { exchange, controller, outcome } = setup();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, {});
    for (let piece = 0; piece < 5; piece += 1) {
      vi.advanceTimersByTime(999);
      exchange.onResponseData(controller, Buffer.from('x'));
    }
    expect(outcome()).toBe('under way');
    vi.advanceTimersByTime(1_000);
    expect(outcome()).toMatchObject({ reason: 'timeout', sent: true });
  });

  test('a slow reader is not the fault of the peer, but does not have for ever', () => {
    const { exchange, controller, outcome } = setup(timeouts, () => 'pause');
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, {});
    exchange.onResponseData(controller, Buffer.from('x'));
    expect(controller.paused).toBe(true);
    vi.advanceTimersByTime(5_000);
    expect(outcome()).toBe('under way');
    exchange.resume();
    expect(controller.paused).toBe(false);
    vi.advanceTimersByTime(999);
    exchange.onResponseData(controller, Buffer.from('x'));
    vi.advanceTimersByTime(4_001);
    expect(outcome()).toMatchObject({ reason: 'timeout' });
  });

  test('to ask for more of an answer that was not held up gives the peer no more time', () => {
    const { exchange, controller, outcome } = setup();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, {});
    vi.advanceTimersByTime(600);
    exchange.resume();
    vi.advanceTimersByTime(400);
    expect(outcome()).toMatchObject({ reason: 'timeout' });
  });
});

describe('the end', () => {
  test('comes once, and leaves no timer behind', () => {
    const { exchange, controller, receiver } = setup();
    exchange.onRequestStart(controller);
    exchange.onResponseStart(controller, 200, { 'set-cookie': ['a', 'b'] });
    exchange.onResponseEnd();
    exchange.onResponseError(controller, new Error('late'));
    exchange.abandon();
    expect(receiver.end).toHaveBeenCalledExactlyOnceWith({ status: 200, headers: { 'set-cookie': 'a, b' } });
    expect(receiver.fail).not.toHaveBeenCalled();
    expect([vi.getTimerCount(), controller.aborted]).toEqual([0, false]);
  });

  test('what comes after an end is not handed on', () => {
    const { exchange, controller, receiver } = setup();
    exchange.onRequestStart(controller);
    exchange.abandon();
    exchange.onResponseStart(controller, 200, {});
    exchange.onResponseData(controller, Buffer.from('x'));
    exchange.onResponseEnd();
    exchange.resume();
    expect(receiver.fail).toHaveBeenCalledOnce();
    for (const handed of [receiver.head, receiver.data, receiver.end]) expect(handed).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a request that is over is never written', () => {
    const { exchange, controller, outcome } = setup();
    exchange.abandon();
    exchange.onRequestStart(controller);
    expect([outcome(), controller.aborted]).toMatchObject([{ reason: 'aborted', sent: false }, true]);
  });

  test('a request is never written twice', () => {
    const { exchange, controller } = setup();
    const second = fakeController();
    exchange.onRequestStart(controller);
    exchange.onRequestStart(second);
    expect([controller.aborted, second.aborted]).toEqual([false, true]);
  });
});

function setup(limits: ConstructorParameters<typeof Exchange>[0] = timeouts, data: Receiver['data'] = () => 'more') {
  const receiver = {
    head: vi.fn<NonNullable<Receiver['head']>>(),
    data: vi.fn<Receiver['data']>(data),
    end: vi.fn<Receiver['end']>(),
    fail: vi.fn<Receiver['fail']>(),
  };
  const exchange = new Exchange(limits, receiver);
  const outcome = () => receiver.fail.mock.calls[0]?.[0] ?? 'under way';
  return { exchange, receiver, outcome, controller: fakeController() };
}

function fakeController(): Dispatcher.DispatchController {
  let [paused, aborted] = [false, false];
  return {
    reason: null,
    get paused() {
      return paused;
    },
    get aborted() {
      return aborted;
    },
    pause: () => void (paused = true),
    resume: () => void (paused = false),
    abort: () => void (aborted = true),
  };
}
