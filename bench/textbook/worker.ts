import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker } from '@temporalio/worker';
import { Pool as PostgresPool } from 'pg';
import { Pool } from 'undici';
import { workerSlots } from '../worker-slots.ts';
import { textbookTaskQueue, type TextbookActivities } from './contract.ts';

const { DATABASE_URL, TEMPORAL_ADDRESS, VENDOR_ORIGIN = '', CALLBACK_ORIGIN = '', VIDEO_DIRECTORY = '' } = process.env;
const pool = new PostgresPool({ connectionString: DATABASE_URL, max: 20 });
const vendor = new Pool(VENDOR_ORIGIN);
await mkdir(VIDEO_DIRECTORY, { recursive: true });

const activities: TextbookActivities = {
  async submit({ id, prompt }) {
    const webhook = encodeURIComponent(`${CALLBACK_ORIGIN}/callbacks/${id}`);
    const path = `/wavespeed/api/v3/alibaba/wan-2.6/text-to-video?webhook=${webhook}`;
    return (await call('POST', path, { prompt, duration: 5, size: '1280*720' })).id;
  },
  async poll(operation) {
    const { status, outputs } = await call('GET', `/wavespeed/api/v3/predictions/${operation}/result`);
    if (status !== 'completed' || outputs[0] === undefined) throw new Error('not yet');
    return { videoUrl: outputs[0] };
  },
  async store(id, { videoUrl }) {
    const answer = await vendor.request({ method: 'GET', path: new URL(videoUrl).pathname });
    if (answer.statusCode !== 200) throw new Error(`the video was answered ${answer.statusCode}`);
    const videoPath = join(VIDEO_DIRECTORY, `${id}.mp4`);
    await pipeline(answer.body, createWriteStream(videoPath));
    return videoPath;
  },
  async settle(id, videoPath) {
    await pool.query(
      "UPDATE textbook_jobs SET status = 'completed', video_path = $2, finished_at = clock_timestamp() WHERE id = $1",
      [id, videoPath],
    );
  },
};

interface Prediction {
  readonly id: string;
  readonly status: string;
  readonly outputs: readonly string[];
}

async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<Prediction> {
  const headers = { 'content-type': 'application/json', authorization: 'Bearer simulated' };
  const answer = await vendor.request({
    method,
    path,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`the vendor answered ${answer.statusCode}`);
  // The simulator is ours and its answers are known: a tutorial would not check them either.
  const { data }: { data: Prediction } = JSON.parse(text);
  return data;
}

const connection = await NativeConnection.connect({ address: TEMPORAL_ADDRESS ?? '' });
const worker = await Worker.create({
  connection,
  taskQueue: textbookTaskQueue,
  workflowsPath: fileURLToPath(new URL('./workflow.ts', import.meta.url)),
  activities: { ...activities },
  ...workerSlots,
});
const running = worker.run();
console.log('textbook worker is up');
await running;
await pool.end();
await connection.close();
