import type { Dispatcher } from 'undici';

import { HttpError, type HttpErrorReason } from './http-error.ts';

/** Who takes the answer. `head` comes first; `end` or `fail` comes last, and exactly one of them. */
export interface Receiver {
  head?(head: AnswerHead): void;
  data(chunk: Buffer): 'more' | 'pause' | 'too_large';
  end(head: AnswerHead): void;
  fail(error: HttpError): void;
}

export interface AnswerHead {
  readonly status: number;
  /** Lower-cased names; a repeated header is joined with commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface ExchangeTimeouts {
  /** From now until the last byte of the answer. */
  readonly totalMs: number;
  /** From the first byte of the request until the head of the answer. */
  readonly firstByteMs?: number;
  /** Between two pieces of the answer, while its receiver wants more. */
  readonly idleMs: number;
}

/** One request and its answer: holds the deadlines, and knows whether anything was written. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #timeouts: ExchangeTimeouts;
  readonly #receiver: Receiver;
  readonly #total: NodeJS.Timeout;
  #silence: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #over = false;
  #head: AnswerHead = { status: 0, headers: {} };

  constructor(timeouts: ExchangeTimeouts, receiver: Receiver) {
    this.#timeouts = timeouts;
    this.#receiver = receiver;
    this.#total = setTimeout(() => this.#fail('timeout'), timeouts.totalMs);
  }

  /**
   * undici calls this immediately before the first byte is written, never earlier: it is the line between `sent` and
   * not. A refusal here keeps a request that is already over, or that was already written once, off the wire.
   */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over || this.#controller) {
      controller.abort(new Error('over, or written before'));
      return;
    }
    this.#controller = controller;
    if (this.#timeouts.firstByteMs !== undefined) this.#awaitBytes(this.#timeouts.firstByteMs);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // An informational head announces the answer's own.
    if (this.#over || status < 200) return;
    this.#head = {
      status,
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, joined(value)])),
    };
    this.#awaitBytes(this.#timeouts.idleMs);
    this.#receiver.head?.(this.#head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    const verdict = this.#receiver.data(chunk);
    if (verdict === 'too_large') this.#fail('too_large');
    else if (verdict === 'more') this.#awaitBytes(this.#timeouts.idleMs);
    else this.#pause(controller);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#end();
    this.#receiver.end(this.#head);
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.#fail(this.#controller ? 'broken' : 'connect', cause);
  }

  /** The receiver, which had said `pause`, wants more. */
  resume(): void {
    if (this.#over || !this.#controller?.paused) return;
    this.#awaitBytes(this.#timeouts.idleMs);
    this.#controller.resume();
  }

  /** Nobody wants the answer any more. */
  abandon(): void {
    this.#fail('aborted');
  }

  /** The peer is not to blame for the time that its reader takes, so only the total runs on. */
  #pause(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#silence);
    controller.pause();
  }

  #awaitBytes(timeoutMs: number): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#fail('timeout'), timeoutMs);
  }

  #fail(reason: HttpErrorReason, cause?: Error): void {
    if (this.#over) return;
    this.#end();
    const error = new HttpError({ reason, sent: this.#controller !== undefined }, { cause });
    this.#receiver.fail(error);
    this.#controller?.abort(error);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#total);
    clearTimeout(this.#silence);
  }
}

function joined(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
