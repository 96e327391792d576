import type { RealLimits } from './real-account.ts';

/** What was in use of an account while somebody waited. Moments in milliseconds. */
export class UseOfAccount {
  #since = 0;
  #wasWaiting = false;
  #underWay = 0;
  #slotMs = 0;
  #waitingMs = 0;
  #starts = 0;

  started(now: number, isWaiting: boolean): void {
    this.#pass(now, isWaiting);
    this.#underWay += 1;
    if (isWaiting) this.#starts += 1;
  }

  ended(now: number, isWaiting: boolean): void {
    this.#pass(now, isWaiting);
    this.#underWay -= 1;
  }

  /** The share of slots or of starts, whichever was scarcer. Null: nobody waited for long enough to tell. */
  share({ outstandingMax, perMinuteMax }: RealLimits): number | null {
    if (this.#waitingMs < 1_000) return null;
    const slots = this.#slotMs / this.#waitingMs / outstandingMax;
    const starts = (this.#starts * 60_000) / this.#waitingMs / perMinuteMax;
    return Math.max(slots, starts);
  }

  #pass(now: number, isWaiting: boolean): void {
    if (this.#wasWaiting) {
      this.#slotMs += this.#underWay * (now - this.#since);
      this.#waitingMs += now - this.#since;
    }
    this.#since = now;
    this.#wasWaiting = isWaiting;
  }
}
