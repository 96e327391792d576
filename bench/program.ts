import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** A process of the bench, measured by its id and stopped by it. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export interface ProgramSettings {
  readonly name: string;
  /** A `.js` of the build, or a `.ts` of the bench. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Nothing else of our environment goes along, so that a developer's own settings change no figure. */
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const readyWithinMs = 60_000;
const pollMs = 50;
const stopPatienceMs = 45_000;

/** Starts a server and returns once its log has the words that say it is up. */
export async function startProgram(settings: ProgramSettings & { readonly readyText: string }): Promise<Program> {
  const program = await launch(settings);
  const giveUpAt = Date.now() + readyWithinMs;
  for (;;) {
    const log = await readFile(settings.logFile, 'utf8');
    if (log.includes(settings.readyText)) return program;
    const ended = program.child.exitCode ?? program.child.signalCode;
    if (ended !== null || Date.now() > giveUpAt) {
      await program.stop();
      throw new Error(`${settings.name} did not come up: ${log.slice(-2_000)}`);
    }
    await delay(pollMs);
  }
}

/** Runs a command of the build to its end. */
export async function runProgram(settings: ProgramSettings): Promise<void> {
  const { child } = await launch(settings);
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode === 0) return;
  throw new Error(`${settings.name} failed: ${(await readFile(settings.logFile, 'utf8')).slice(-2_000)}`);
}

/** Starts a program of the bench that is spoken to by messages. */
export function forkProgram({ name, script, env }: Omit<ProgramSettings, 'logFile'>): Program {
  const child = fork(script, [], { execArgv: ['--import', 'tsx'], env: environment(env), stdio: 'inherit' });
  return watched(name, child);
}

/** The next message of a forked program of this kind, or an error when it ends before. */
export async function messageOf<Message extends { readonly kind: string }>(
  { name, child }: Program,
  kind: Message['kind'],
): Promise<Message> {
  return await new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (!isOfKind(message, kind)) return;
      child.off('message', onMessage).off('exit', onExit);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends of the channel are ours
      resolve(message as Message);
    };
    const onExit = (code: number | null): void => reject(new Error(`${name} ended with ${code} before its answer`));
    child.on('message', onMessage).once('exit', onExit);
  });
}

function isOfKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind;
}

async function launch({ name, script, args = [], env, logFile }: ProgramSettings): Promise<Program> {
  const log = await open(logFile, 'w');
  try {
    const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : [];
    const child = spawn(process.execPath, [...nodeArguments(), ...loader, script, ...args], {
      env: environment(env),
      // A file and no pipe: reading the logs of others would be work of ours in the middle of a measurement.
      stdio: ['ignore', log.fd, log.fd],
    });
    await once(child, 'spawn');
    return watched(name, child);
  } finally {
    await log.close();
  }
}

function watched(name: string, child: ChildProcess): Program {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  return { name, pid: child.pid ?? 0, child, stop: () => stopChild(child) };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  const late = setTimeout(() => child.kill('SIGKILL'), stopPatienceMs);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(late);
}

/** As in the image. For a profile of every server: `BENCH_NODE_ARGUMENTS="--cpu-prof --cpu-prof-dir=DIRECTORY"`. */
function nodeArguments(): readonly string[] {
  const further = process.env['BENCH_NODE_ARGUMENTS'] ?? '';
  return ['--max-semi-space-size=64', ...further.split(' ').filter((text) => text !== '')];
}

function environment(env: ProgramSettings['env'] = {}): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, ...env };
}
