import type { Burst } from './burst-result.ts';
import { plotBurst } from './burst-plots.ts';
import { noiseWarning } from './cpu.ts';
import { percentilesOf } from './histogram.ts';
import { cpuTable, rounded, table } from './table.ts';

/** Prints a burst, plots it where that was asked for, and returns its line of JSON. */
export async function tellBurst(burst: Burst, say: (line: string) => void): Promise<object> {
  const { options, offered, lost, progress } = burst;
  const { report, cpu } = offered;
  const { p50, p90, p99, p999, max } = percentilesOf(report.latenciesMs);
  const errors = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
  const { submittedMeanwhile, completedMeanwhile } = progress;
  const { ratePerSecond, users, tier, temporal } = options;
  say(
    `burst: ${options.count} jobs at ${ratePerSecond}/s, ${users} users, account ${tier.name}, one worker, ${temporal}\n`,
  );
  say(
    table([
      ['accept', 'p50', 'p90', 'p99', 'p99.9', 'max'],
      ['ms', p50, p90, p99, p999, max],
    ]),
  );
  say('');
  say(
    table([
      ['achieved', 'accepted', 'errors', 'lost', 'submitted meanwhile', 'completed meanwhile'],
      [`${rounded(report.achievedRate)}/s`, report.accepted, errors, lost, submittedMeanwhile, completedMeanwhile],
    ]),
  );
  if (errors > 0) say(`  errors: ${JSON.stringify(report.errors)}`);
  say('');
  tellLookUps(burst, say);
  say('');
  say(cpuTable(cpu));
  say(noiseWarning([cpu]) ?? '');
  if (options.plot) for (const path of await plotBurst(burst)) say(`  ${path}`);
  return {
    bench: 'burst',
    figure: rounded(p99),
    unit: 'ms',
    errors: errors + burst.notFound,
    lost,
    accepted: report.accepted,
    achieved: rounded(report.achievedRate),
    submitted_meanwhile: submittedMeanwhile,
    get_p99_ms: rounded(percentilesOf(burst.told.map(({ answerMs }) => answerMs)).p99),
    tier: tier.name,
    users,
    temporal,
    others: rounded(cpu.othersShare),
  };
}

/** What clients that ask for their jobs are told while the backlog stands, and how soon. */
function tellLookUps({ told, notFound }: Burst, say: (line: string) => void): void {
  const waiting = told.filter(({ status }) => status === 'queued');
  const placed = waiting.filter(({ position }) => position !== null).length;
  const timed = waiting.filter(({ etaSeconds }) => etaSeconds !== null).length;
  const { p50, p99 } = percentilesOf(told.map(({ answerMs }) => answerMs));
  say(
    table([
      ['looked up', 'not found', 'waiting', 'with a place', 'with an ETA', 'GET p50 ms', 'GET p99 ms'],
      [told.length, notFound, waiting.length, placed, timed, p50, p99],
    ]),
  );
}
