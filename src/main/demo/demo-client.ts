import { readFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FormData, request } from 'undici';
import { z } from 'zod';

/** What the demo reads of a video object. */
const videoSchema = z.object({
  id: z.string(),
  status: z.enum(['queued', 'in_progress', 'completed', 'failed', 'cancelled']),
  progress: z.number(),
  model: z.string(),
  seconds: z.string(),
  size: z.string(),
  requested: z.object({ model: z.string() }).nullish(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  queue: z.object({ position: z.number().nullable(), eta_seconds: z.number().nullable() }).nullish(),
  served_by: z.object({ provider: z.string(), model: z.string() }).nullish(),
  cost_usd: z.number().nullish(),
});

export type Video = z.infer<typeof videoSchema>;

export interface Wish {
  readonly prompt: string;
  readonly model: string;
  /** A path to a picture. */
  readonly selfie?: string;
}

/** The few calls that the demo makes, over HTTP like anybody else. */
export interface DemoClient {
  create(wish: Wish): Promise<Video>;
  /** Asks until the video has come to an end, telling every answer. */
  follow(id: string, onAnswer: (video: Video) => void): Promise<Video>;
  /** Saves the MP4 in the folder and returns its path and size. */
  save(id: string, folder: string): Promise<{ path: string; bytes: number }>;
}

const askEveryMs = 500;

export function createDemoClient(origin: string, apiKey?: string): DemoClient {
  const authorization: Record<string, string> = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const call = async (method: 'GET' | 'POST', path: string, body?: FormData): Promise<Video> => {
    const answer = await request(`${origin}${path}`, {
      method,
      headers: authorization,
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400) throw new Error(`${method} ${path} was answered ${answer.statusCode}: ${text}`);
    return videoSchema.parse(JSON.parse(text));
  };
  return {
    async create({ prompt, model, selfie }) {
      const form = new FormData();
      form.set('prompt', prompt);
      form.set('model', model);
      if (selfie !== undefined) form.set('input_reference', new Blob([await readFile(selfie)]), basename(selfie));
      return await call('POST', '/v1/videos', form);
    },
    async follow(id, onAnswer) {
      for (;;) {
        const video = await call('GET', `/v1/videos/${id}`);
        onAnswer(video);
        if (video.status !== 'queued' && video.status !== 'in_progress') return video;
        await delay(askEveryMs);
      }
    },
    async save(id, folder) {
      const answer = await request(`${origin}/v1/videos/${id}/content`, { headers: authorization });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      if (answer.statusCode !== 200)
        throw new Error(`the content was answered ${answer.statusCode}: ${bytes.toString('utf8', 0, 500)}`);
      await mkdir(folder, { recursive: true });
      const path = join(folder, `${id}.mp4`);
      await writeFile(path, bytes);
      return { path, bytes: bytes.byteLength };
    },
  };
}
