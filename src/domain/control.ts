/** What an operator may hold back. */
export const pauseKinds = ['target', 'pool', 'tenant'] as const;

export type PauseKind = (typeof pauseKinds)[number];

/** Something that an operator holds back, and until when. */
export interface Pause {
  readonly kind: PauseKind;
  readonly subject: string;
  /** Of a target: whoever waits for it goes to another of its route at once, where there is one with room. */
  readonly drains: boolean;
  readonly actor: string;
  readonly reason: string;
  readonly at: Date;
  /** Null: until it is resumed. */
  readonly until: Date | null;
}

/** Whether a text names a kind of pause. */
export function isPauseKind(text: string): text is PauseKind {
  return pauseKinds.some((kind) => kind === text);
}

/**
 * What came of an order: `repeated` it was carried out before, under the same request id; `reused` that id belongs to another
 * order, and nothing was done; `unknown` there is no such subject; `absent` there is nothing to end.
 */
export type ControlOutcome = 'done' | 'repeated' | 'reused' | 'unknown' | 'absent';
