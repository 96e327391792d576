// One video by the `openai` package, unchanged but for the address and the key.
//
//   npm install openai
//   SPILLWAY_URL=http://127.0.0.1:8080 SPILLWAY_KEY=spw_live_… node examples/openai-node.mjs selfie.jpg video.mp4

import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

const [selfie, file = 'video.mp4'] = process.argv.slice(2);
const client = new OpenAI({
  baseURL: `${process.env.SPILLWAY_URL ?? 'http://127.0.0.1:8080'}/v1`,
  // The package wants one, also where the service asks for none.
  apiKey: process.env.SPILLWAY_KEY ?? 'none',
});

let video = await client.videos.create({
  model: 'wan-2.6',
  prompt: 'She turns to the camera and smiles, city lights behind her',
  seconds: '5',
  size: '1280x720',
  ...(selfie && { input_reference: createReadStream(selfie) }),
});
console.log(`accepted  ${video.id}`);

while (video.status === 'queued' || video.status === 'in_progress') {
  await sleep(1_000);
  video = await client.videos.retrieve(video.id);
  console.log(`${video.status}  ${video.progress} %`);
}

if (video.status !== 'completed') throw new Error(video.error?.message ?? video.status);
const content = await client.videos.downloadContent(video.id);
await writeFile(file, Buffer.from(await content.arrayBuffer()));
console.log(`saved     ${file}`);
