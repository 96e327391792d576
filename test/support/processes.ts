import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import { programArgs, project } from './program.ts';
import { until } from './until.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface PartSettings {
  /** The command of `spillway` that it runs. */
  readonly command: 'simulator' | 'migrate' | 'api' | 'worker' | 'start' | 'temporal:postgres';
  readonly env: Readonly<Record<string, string>>;
  /** What it logs once it is ready. A part without such a line is ready when it has ended well. */
  readonly readyLine?: string;
  readonly logFile: string;
  /** What runs it, when it is not the program as it lies here. */
  readonly program?: Program;
}

export interface Program {
  readonly directory: string;
  /** Of Node, up to the command. */
  readonly args: readonly string[];
  /** Whose process it is. Absent: ours. */
  readonly user?: { readonly uid: number; readonly gid: number };
}

const ours: Program = { directory: project, args: programArgs };

/** One process of the system, started as its operator starts it. */
export interface Part {
  readonly command: string;
  /** Resolves once it is ready. */
  start(): Promise<void>;
  /** Sends the signal and resolves with the end that came of it. */
  end(signal: NodeJS.Signals, withinMs?: number): Promise<Exit>;
  send(signal: NodeJS.Signals): void;
  isRunning(): boolean;
  /** The last of what it has written. */
  log(): string;
}

const logCharsKept = 200_000;
const startWithinMs = 180_000;

export function createPart({ command, env, readyLine, logFile, program = ours }: PartSettings): Part {
  const file = createWriteStream(logFile, { flags: 'a' });
  let child: ChildProcess | undefined;
  let exit: Exit | undefined;
  let kept = '';
  let sinceStart = '';

  const keep = (chunk: Buffer): void => {
    file.write(chunk);
    kept = (kept + chunk.toString()).slice(-logCharsKept);
    sinceStart += chunk.toString();
  };
  // Children outlive a run that is cut short; an exit hook can do no more than kill.
  process.once('exit', () => child?.kill('SIGKILL'));
  const isRunning = (): boolean => child !== undefined && exit === undefined;

  return {
    command,
    async start() {
      if (isRunning()) throw new Error(`${command} is running already`);
      exit = undefined;
      sinceStart = '';
      const { directory, args, user } = program;
      const started = spawn(process.execPath, [...args, command], {
        ...user,
        cwd: directory,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      started.stdout.on('data', keep);
      started.stderr.on('data', keep);
      started.once('close', (code, signal) => (exit = { code, signal }));
      const isReady = (): boolean => readyLine !== undefined && sinceStart.includes(readyLine);
      const endOrReady = await until(`${command} is ready`, () => exit ?? isReady(), { withinMs: startWithinMs });
      if (endOrReady !== true && (readyLine !== undefined || endOrReady.code !== 0))
        throw new Error(`${command} ended at start with ${JSON.stringify(endOrReady)}: ${sinceStart.slice(-2_000)}`);
    },
    async end(signal, withinMs = 20_000) {
      child?.kill(signal);
      return await until(`${command} ends on ${signal}`, () => exit, { withinMs });
    },
    send: (signal) => void child?.kill(signal),
    isRunning,
    log: () => kept,
  };
}

/**
 * Free ports outside the range from which outgoing connections take theirs: a server that is restarted finds its port
 * free again, and nobody who calls it meanwhile connects to himself.
 */
export async function findFreePorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const ports = new Map<Name, number>();
  for (const name of names) {
    const port = await until('a free port', async () => {
      const candidate = 15_000 + Math.floor(Math.random() * 16_000);
      const isFree = ![...ports.values()].includes(candidate) && (await isBindable(candidate));
      return isFree ? candidate : undefined;
    });
    ports.set(name, port);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name has its port by now.
  return Object.fromEntries(ports) as Record<Name, number>;
}

async function isBindable(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
