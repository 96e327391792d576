import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { makeTestDirectory } from '../support/servers.ts';
import { useStack } from '../support/stack.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const stack = useStack();
const directory = await makeTestDirectory();
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What the examples print first. */
function acceptedIn(output: string): string {
  const id = /accepted +(video_\S+)/.exec(output)?.[1];
  if (id === undefined) throw new Error(`no video was accepted: ${output}`);
  stack.follow(id);
  return id;
}

/** Where an MP4 says that it is one. */
async function isVideo(file: string): Promise<boolean> {
  return (await readFile(file)).subarray(4, 8).toString() === 'ftyp';
}

const env = () => ({ PATH: process.env['PATH'] ?? '', SPILLWAY_URL: stack.url, SPILLWAY_KEY: 'of no account here' });

test('examples/curl.sh makes a video and saves it', async () => {
  const file = join(directory, 'curl.mp4');
  const { stdout } = await run('bash', [join(root, 'examples/curl.sh'), 'a "paper" boat; $HOME, 100 %', file], {
    env: env(),
  });
  expect(acceptedIn(stdout)).toMatch(/^video_/);
  expect(await isVideo(file)).toBe(true);
});

test('examples/openai-node.mjs makes a video of a selfie and saves it', async () => {
  const file = join(directory, 'node.mp4');
  const selfie = join(root, 'assets/selfie.jpg');
  const { stdout } = await run(process.execPath, [join(root, 'examples/openai-node.mjs'), selfie, file], {
    env: env(),
  });
  expect(acceptedIn(stdout)).toMatch(/^video_/);
  expect(await isVideo(file)).toBe(true);
});
