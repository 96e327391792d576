import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { isListening } from '../../embedded/ports.ts';
import { createSimulator } from '../../simulator/simulator.ts';
import { createDemoClient, type DemoClient, type Video } from './demo-client.ts';
import { createLivePrinter, progressLine } from './progress-bar.ts';
import { newIdSalt, newWebhookSecret } from '../run-simulator.ts';
import { type Setting, startStack } from '../start.ts';
import type { Started } from '../stop.ts';

export interface DemoOptions {
  readonly once: boolean;
  readonly prompt: string;
  readonly model: string;
  readonly selfie: string;
}

/** A few others are in line before us, so that there is a queue to be seen. */
const companions = 4;

/** The whole way of one request, on this machine: the vendors are the simulator, everything else is real. */
export async function demo(setting: Setting, options: DemoOptions, started: Started): Promise<boolean> {
  const say = (line = ''): void => void process.stdout.write(`${line}\n`);
  say('Spillway demo: Postgres, Temporal, API, worker, and a simulator that plays the vendors. No key, no cost.');
  const staged = await stage({ ...setting, tell: say }, started);
  const { api, backends } = await startStack(staged, started);
  say(`  Page         ${api.url}/`);
  say(`  API          ${api.url}`);
  say(`  Temporal UI  ${backends.temporalUiUrl ?? 'where you run it'}`);
  say();

  const client = createDemoClient(api.url, staged.secrets.apiKey);
  say(`${companions} other requests are ahead of yours, as in a campaign.`);
  for (let index = 1; index <= companions; index += 1)
    await client.create({ prompt: `Companion ${index}: waves at dusk`, model: options.model });
  say(`POST /v1/videos  model=${options.model}  input_reference=${options.selfie}`);
  const video = await client.create(options);
  say(`202 Accepted     ${video.id}`);
  if (video.requested) say(`${video.requested.model} is retired: ${video.model} serves in its place.`);
  const ended = await watch(client, video);
  const ok = ended.status === 'completed';
  say();
  if (ok) await tellSuccess(client, ended, say);
  else say(`The video ${ended.status}: ${ended.error?.message ?? 'no reason was given'}`);
  if (backends.temporalUiUrl !== undefined)
    say(`  Its workflow   ${backends.temporalUiUrl}/namespaces/default/workflows/${video.id}`);
  say(`  Its timeline   ${api.url}/v1/videos/${video.id}/timeline`);
  if (!options.once) {
    say(`\nThe stack stays up. Make the next one in a browser:  ${api.url}/`);
    say(`Or try:  curl ${api.url}/v1/videos -H 'content-type: application/json' -d '{"prompt":"a paper boat"}'`);
    say('Ctrl-C stops everything; what is under way goes on with the next start.');
    await setting.stopped;
  }
  return ok;
}

async function watch(client: DemoClient, video: Video): Promise<Video> {
  const printer = createLivePrinter(process.stdout);
  try {
    return await client.follow(video.id, (answer) => printer.show(progressLine(answer)));
  } finally {
    printer.end();
  }
}

async function tellSuccess(client: DemoClient, video: Video, say: (line: string) => void): Promise<void> {
  const { path, bytes } = await client.save(video.id, 'videos');
  say(`Done: ${video.seconds} s, ${video.size}, served by ${video.served_by?.provider ?? 'nobody'}.`);
  say(`  Saved          ${path} (${(bytes / 1024).toFixed(1)} KiB, a sample clip: the simulator renders nothing)`);
}

/** The vendors' part is played by a server of its own; callbacks come back to the API over loopback. */
async function stage(setting: Setting, started: Started): Promise<Setting> {
  const { config, secrets } = setting;
  if (config.isProduction) throw new Error('The demo plays the vendors and does not run under NODE_ENV=production.');
  const webhookSecret = newWebhookSecret();
  const { seed, timeScale, tier } = config.simulator;
  const simulator = createSimulator({ seed, timeScale, tier, webhookSecret, idSalt: newIdSalt() });
  const { origin, close } = await simulator.listen();
  started.add({ stop: close });
  const port = await freeOr(config.api.port);
  return {
    ...setting,
    config: demoConfig(config, { simulatorOrigin: origin, port, opsPort: await freeOr(config.api.opsPort) }),
    // No key is asked for where everything is simulated, and one secret signs the callbacks of every vendor.
    secrets: { ...secrets, variable: () => webhookSecret },
  };
}

function demoConfig(config: Config, at: { simulatorOrigin: string; port: number; opsPort: number }): Config {
  return {
    ...config,
    simulatorUrl: at.simulatorOrigin,
    spendCapUsd: undefined,
    // Its jobs are never to be found among real ones: it always brings servers of its own.
    databaseUrl: undefined,
    temporal: { ...config.temporal, address: undefined, uiUrl: undefined },
    dataDirectory: join(config.dataDirectory, 'demo'),
    s3: undefined,
    api: {
      ...config.api,
      host: '127.0.0.1',
      port: at.port,
      opsPort: at.opsPort,
      publicUrl: `http://127.0.0.1:${at.port}`,
    },
  };
}

/** The usual port where it is free, so that links can be guessed; else the next one that is. */
async function freeOr(port: number): Promise<number> {
  for (let candidate = port; candidate < port + 50; candidate += 1) {
    if (!(await isListening('127.0.0.1', candidate))) return candidate;
  }
  throw new Error(`No free port from ${port} on. Set PORT and OPS_PORT.`);
}
