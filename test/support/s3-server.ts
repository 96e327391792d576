import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { spawnServer, stopProcess, tailOf } from '../../src/embedded/processes.ts';
import { installPython } from './python-package.ts';
import { until } from './until.ts';

export interface S3Server {
  readonly endpoint: string;
  /** New, and empty. */
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly client: S3Client;
  /** For a process of ours that is to keep its objects there. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stop: () => Promise<void>;
}

const packages = ['moto[s3]==5.2.5', 'flask==3.1.3', 'flask-cors==6.0.5'];
const advice =
  'Tests of S3 need python3 with pip and, once, the Python package index; or a server in S3_TEST_ENDPOINT.';
const startTimeoutMs = 30_000;
const region = 'us-east-1';

/** A server that speaks S3 with a fresh bucket in it: the one that `S3_TEST_ENDPOINT` names, or one of our own. */
export async function startS3Server(): Promise<S3Server> {
  const { endpoint, stop } = await provide();
  const { AWS_ACCESS_KEY_ID = 'test-key', AWS_SECRET_ACCESS_KEY = 'test-secret' } = process.env;
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
  const bucket = `spillway-${randomUUID()}`;
  const environment = {
    S3_BUCKET: bucket,
    S3_ENDPOINT: endpoint,
    S3_PATH_STYLE: 'true',
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
  };
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, bucket, credentials, client, environment, stop };
}

async function provide(): Promise<Pick<S3Server, 'endpoint' | 'stop'>> {
  const endpoint = process.env['S3_TEST_ENDPOINT'];
  if (endpoint) return { endpoint, stop: async () => undefined };
  return await startMoto(await installPython({ name: 'moto-5.2.5', packages, what: advice }));
}

const program = 'import sys; sys.path.insert(0, sys.argv[1]); from moto.server import main; main(sys.argv[2:])';

async function startMoto(place: string): Promise<Pick<S3Server, 'endpoint' | 'stop'>> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-s3-'));
  const logFile = join(directory, 'moto.log');
  const args = ['-c', program, place, '-H', '127.0.0.1', '-p', '0'];
  const server = await spawnServer({ command: 'python3', args, logFile, directory });
  const killNow = () => {
    if (server.exitReason() === undefined) process.kill(server.pid, 'SIGKILL');
  };
  // A detached server outlives a run that is cut short; an exit hook can do no more than kill.
  process.once('exit', killNow);
  const stop = async () => {
    await stopProcess({ pid: server.pid, marker: place }, [
      { signal: 'SIGTERM', patienceMs: 5_000 },
      { signal: 'SIGKILL', patienceMs: 5_000 },
    ]);
    process.off('exit', killNow);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const address = until('moto listens', () => addressIn(logFile), { withinMs: startTimeoutMs });
    const failed = server.exited.then(async (reason) => {
      throw new Error(`moto ended with ${reason}: ${await tailOf(logFile)}`);
    });
    return { endpoint: await Promise.race([address, failed]), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** It chose the port by itself, and tells. */
async function addressIn(logFile: string): Promise<string | undefined> {
  return /http:\/\/127\.0\.0\.1:\d+/.exec(await readFile(logFile, 'utf8'))?.[0];
}
