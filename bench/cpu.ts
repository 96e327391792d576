import { readdir, readFile } from 'node:fs/promises';

/** CPU time by `/proc`, which only Linux has: elsewhere nothing is reported. */

export interface Measured {
  readonly name: string;
  readonly pid: number;
  /** Postgres has a process a connection: those that live, and those that have ended, count with it. */
  readonly withChildren?: boolean;
}

export interface CpuReading {
  readonly at: number;
  readonly msByName: ReadonlyMap<string, number>;
  /** Everything that this machine did, whoever asked for it. */
  readonly machineMs: number;
}

export interface CpuUse {
  readonly seconds: number;
  readonly msByName: ReadonlyMap<string, number>;
  /** What programs that are none of ours took, as a share of the machine's time. */
  readonly othersShare: number;
}

/** Ticks of `/proc` are hundredths of a second on every Linux there is. */
const msPerTick = 10;

export async function readCpu(measured: readonly Measured[]): Promise<CpuReading> {
  const entries = await Promise.all(measured.map(async (one) => [one.name, await cpuMsOf(one)] as const));
  const own = process.cpuUsage();
  const bench = ['bench', (own.user + own.system) / 1_000] as const;
  return { at: Date.now(), msByName: new Map([...entries, bench]), machineMs: await machineBusyMs() };
}

export function cpuBetween(before: CpuReading, after: CpuReading, cores: number): CpuUse {
  const msByName = new Map([...after.msByName].map(([name, ms]) => [name, ms - (before.msByName.get(name) ?? 0)]));
  const ours = [...msByName.values()].reduce((sum, ms) => sum + ms, 0);
  const wallMs = after.at - before.at;
  const othersMs = after.machineMs - before.machineMs - ours;
  return { seconds: wallMs / 1_000, msByName, othersShare: Math.max(0, othersMs / (wallMs * cores)) };
}

/** Above this share of others the figures tell more about them than about us. */
const othersShareMax = 0.1;

/** What to print below the figures of a run that was disturbed; nothing for one that was not. */
export function noiseWarning(uses: readonly CpuUse[]): string | undefined {
  const most = Math.max(...uses.map(({ othersShare }) => othersShare));
  if (most <= othersShareMax) return undefined;
  return `  NOISY: other programs took up to ${Math.round(most * 100)} % of the machine. Compare CPU, not rates, and run it again.`;
}

async function cpuMsOf({ pid, withChildren = false }: Measured): Promise<number> {
  const own = await readStat(pid);
  if (own === undefined) return 0;
  if (!withChildren) return (own.user + own.system) * msPerTick;
  const children = (await listStats()).filter(({ parent }) => parent === pid);
  const alive = children.reduce((sum, { user, system }) => sum + user + system, 0);
  return (own.user + own.system + own.reaped + alive) * msPerTick;
}

interface Stat {
  readonly parent: number;
  readonly user: number;
  readonly system: number;
  /** Of children that have ended. */
  readonly reaped: number;
}

async function readStat(pid: number | string): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field is the program's name in brackets, and may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (index: number): number => Number(fields[index] ?? 0);
  return text === '' ? undefined : { parent: at(1), user: at(11), system: at(12), reaped: at(13) + at(14) };
}

async function listStats(): Promise<readonly Stat[]> {
  const names = await readdir('/proc').catch(() => []);
  const stats = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readStat));
  return stats.filter((stat) => stat !== undefined);
}

/** All of the first line but the idle times: user, nice, system, irq, softirq, steal. */
async function machineBusyMs(): Promise<number> {
  const text = await readFile('/proc/stat', 'utf8').catch(() => '');
  const fields = (text.split('\n')[0] ?? '').split(/ +/).slice(1).map(Number);
  return [0, 1, 2, 5, 6, 7].reduce((sum, index) => sum + (fields[index] ?? 0), 0) * msPerTick;
}
