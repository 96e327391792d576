import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** The operating-system account a child runs as. Absent: our own. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly account?: Account | undefined;
  readonly directory?: string;
  /** The whole of its environment. Absent: our own. A secret belongs here: everybody may read a command line. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServerProcess {
  readonly pid: number;
  /** Resolves with the reason, never rejects. */
  readonly exited: Promise<string>;
  /** The same reason, looked up: undefined while it runs. */
  readonly exitReason: () => string | undefined;
}

export interface StopStep {
  readonly signal: NodeJS.Signals;
  readonly patienceMs: number;
}

class CommandError extends Error {
  override name = 'CommandError';
}

const pollMs = 25;
const outputCharsMax = 2_000;

/** Runs a command to its end and returns what it printed. */
export async function runCommand(
  command: Command & { readonly input?: string; readonly timeoutMs: number },
): Promise<string> {
  const child = spawn(command.command, command.args, { ...spawnOptions(command), stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // A child that ends before reading its input is reported by its exit, not by the broken pipe.
  child.stdin.on('error', () => undefined);
  child.stdin.end(command.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), command.timeoutMs);
  try {
    await once(child, 'close');
    if (child.exitCode === 0) return output;
    const tail = output.slice(-outputCharsMax).trim();
    throw new CommandError(`${command.command} ended with ${exitReasonOf(child)}: ${tail}`);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts a server in a session of its own, so that the terminal's Ctrl-C reaches only us and our ordered shutdown
 * decides. Its output goes to a file and not to a pipe: a pipe would break, and end a Go program, when we are killed.
 */
export async function spawnServer(command: Command & { readonly logFile: string }): Promise<ServerProcess> {
  await rename(command.logFile, `${command.logFile}.previous`).catch(() => undefined);
  const log = await open(command.logFile, 'w');
  try {
    const child = spawn(command.command, command.args, {
      ...spawnOptions(command),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const exited = new Promise<string>((resolve) => {
      child.once('exit', () => resolve(exitReasonOf(child) ?? ''));
    });
    await once(child, 'spawn');
    child.unref();
    return { pid: child.pid ?? 0, exited, exitReason: () => exitReasonOf(child) };
  } finally {
    await log.close();
  }
}

/** Sends each signal in turn until the process that serves `marker` is gone. */
export async function stopProcess(
  process_: { pid: number; marker: string },
  steps: readonly StopStep[],
): Promise<void> {
  for (const step of steps) {
    if (!(await isServing(process_))) return;
    sendSignal(process_.pid, step.signal);
    const deadline = Date.now() + step.patienceMs;
    while (Date.now() < deadline && (await isServing(process_))) await sleep(pollMs);
  }
}

/**
 * Whether the process id still belongs to the server we mean: ids are reused, in containers at once, so a live id
 * alone proves nothing. The marker is a path on its command line.
 */
export async function isServing({ pid, marker }: { pid: number; marker: string }): Promise<boolean> {
  return (await commandLineOf(pid)).includes(marker);
}

/** When a process started, in a form that differs for two processes that had the same id. Empty: it is not running. */
export async function startOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return await askPs(pid, 'lstart=');
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name in brackets, and may hold anything; state and start time come after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? '' : (fields[19] ?? '');
}

/** The end of a server's log, for an error message. */
export async function tailOf(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.slice(-outputCharsMax).trim();
}

async function commandLineOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return await askPs(pid, 'command=');
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.replaceAll('\0', ' ');
}

async function askPs(pid: number, column: string): Promise<string> {
  const ask = { command: 'ps', args: ['-o', column, '-p', String(pid)], timeoutMs: 5_000 };
  return (await runCommand(ask).catch(() => '')).trim();
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone between the look and the signal: what we wanted.
  }
}

function exitReasonOf({ signalCode, exitCode }: ChildProcess): string | undefined {
  return signalCode ?? (exitCode === null ? undefined : `code ${exitCode}`);
}

function spawnOptions(command: Command) {
  return {
    ...(command.account && { uid: command.account.uid, gid: command.account.gid }),
    ...(command.directory !== undefined && { cwd: command.directory }),
    ...(command.environment && { env: command.environment }),
  };
}
