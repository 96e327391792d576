import { z } from 'zod';
import type { Stage } from './stage.ts';

const videoSchema = z.object({
  status: z.string(),
  queue: z
    .object({ position: z.number().nullable(), eta_seconds: z.number().nullable(), reason: z.string() })
    .nullish(),
});

/** What a client is told of a job. */
export interface Told {
  readonly id: string;
  /** Milliseconds since the epoch at which it was asked for. */
  readonly askedAt: number;
  readonly answerMs: number;
  readonly status: string;
  readonly position: number | null;
  readonly etaSeconds: number | null;
  readonly reason: string | null;
}

/** `GET /v1/videos/{id}` as a client does it. Undefined: anything but a 200. */
export async function lookUp({ ports, apiKey }: Stage, id: string): Promise<Told | undefined> {
  const askedAt = Date.now();
  const began = performance.now();
  const answer = await fetch(`http://127.0.0.1:${ports.api}/v1/videos/${id}`, {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(10_000),
  });
  const body: unknown = await answer.json();
  const answerMs = performance.now() - began;
  if (answer.status !== 200) return undefined;
  const { status, queue } = videoSchema.parse(body);
  const { position = null, eta_seconds: etaSeconds = null, reason = null } = queue ?? {};
  return { id, askedAt, answerMs, status, position, etaSeconds, reason };
}

/** A part of them, spread over all. */
export function spread<Item>(items: readonly Item[], count: number): readonly Item[] {
  const every = items.length / Math.min(count, items.length);
  return Array.from({ length: Math.min(count, items.length) }, (_, index) => items[Math.floor(index * every)]).filter(
    (item) => item !== undefined,
  );
}
