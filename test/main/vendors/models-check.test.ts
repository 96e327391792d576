import { readFile, writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { modelsCheck } from '../../../src/main/vendors/models-check.ts';
import { createSimulator, type RunningSimulator } from '../../../src/simulator/simulator.ts';
import { deadOrigin } from '../../providers/stub-vendor.ts';

const ours = join(import.meta.dirname, '../../../models.yaml');

let simulator: RunningSimulator;
let directory: string;

beforeAll(async () => {
  simulator = await createSimulator({ seed: 1, tier: 'ultra', timeScale: 0.01, webhookSecret: 'whsec_x' }).listen();
  directory = await mkdtemp(join(tmpdir(), 'spillway-models-'));
});

afterAll(async () => {
  await simulator.close();
  await rm(directory, { recursive: true, force: true });
});

interface Checked {
  readonly equal: boolean;
  readonly lines: readonly string[];
}

async function check(environment: NodeJS.ProcessEnv): Promise<Checked> {
  const lines: string[] = [];
  const setting = readConfig({ CATALOGUE_PATH: ours, ...environment });
  const equal = await modelsCheck(setting, (line) => void lines.push(line));
  return { equal, lines };
}

/** Our catalogue with one text in the place of another, checked against the simulator. */
async function checkChanged(text: string, becomes: string): Promise<Checked> {
  const before = await readFile(ours, 'utf8');
  expect(before).toContain(text);
  const path = join(directory, 'models.yaml');
  await writeFile(path, before.replaceAll(text, becomes));
  return await check({ SIMULATOR_URL: simulator.origin, CATALOGUE_PATH: path });
}

test('our catalogue is what the simulated WaveSpeed says: fields, values and quotes', async () => {
  expect(await check({ SIMULATOR_URL: simulator.origin })).toEqual({
    equal: true,
    lines: ['wavespeed: the catalogue says what the vendor says.'],
  });
});

test('without a key there is nothing to compare, which is no difference', async () => {
  expect(await check({})).toEqual({
    equal: true,
    lines: ['wavespeed: WAVESPEED_API_KEY is not set, so there is nothing to compare with.'],
  });
});

test.each([
  {
    what: 'a model that the vendor does not have',
    text: 'model: alibaba/wan-3.0/text-to-video',
    becomes: 'model: alibaba/wan-3.1/text-to-video',
    line: 'wavespeed/wan-3.0 (alibaba/wan-3.1/text-to-video): the vendor has no such model',
  },
  {
    what: 'a field that the model does not have',
    text: 'audio: sound',
    becomes: 'audio: noise',
    line: 'wavespeed/kling-2.6 (kwaivgi/kling-v2.6-pro/text-to-video): there is no field noise',
  },
  {
    what: 'a value that the field does not take',
    text: 'resolution: 1080p',
    becomes: 'resolution: 1440p',
    line: 'wavespeed/wan-2.6 (alibaba/wan-2.6/image-to-video): resolution: "1440p" is not one of 720p, 1080p',
  },
  {
    what: 'a price that has changed',
    text: '1920x1080: 0.15',
    becomes: '1920x1080: 0.16',
    line: 'wavespeed/wan-2.6 (alibaba/wan-2.6/text-to-video): 1920x1080, 5 s: the catalogue says 0.800 USD, the vendor asks 0.750',
  },
])('$what is a line and a difference', async ({ text, becomes, line }) => {
  const { equal, lines } = await checkChanged(text, becomes);
  expect(equal).toBe(false);
  expect(lines).toContain(line);
});

test('a vendor that does not answer is told of, and is no agreement', async () => {
  const { equal, lines } = await check({ SIMULATOR_URL: await deadOrigin() });
  expect(equal).toBe(false);
  expect(lines).toEqual(['wavespeed: the vendor gave no answer to compare with: unreachable, ECONNREFUSED']);
});
