import type { Burst } from './burst-result.ts';
import { percentilesOf } from './histogram.ts';
import { lineChart, writePlot } from './plot.ts';

/** Writes the plots of a burst, and returns their paths. */
export async function plotBurst({ options, offered, progress }: Burst): Promise<readonly string[]> {
  const { count, ratePerSecond, tier, users, temporal, drainSeconds } = options;
  const bySecond = Array.from({ length: Math.floor(count / ratePerSecond) }, (_, second) =>
    percentilesOf(offered.report.latenciesMs.slice(second * ratePerSecond, (second + 1) * ratePerSecond)),
  );
  const subtitle = `${count} jobs of ${users} users at ${ratePerSecond}/s, account ${tier.name}, Temporal: ${temporal}`;
  const latency = lineChart({
    title: 'POST /v1/videos in a burst, dispatch running',
    subtitle,
    x: 'seconds since the burst began',
    y: 'ms until the answer, of the requests due in that second',
    series: [
      { name: 'p50', points: bySecond.map(({ p50 }, second) => [second + 0.5, p50]) },
      { name: 'p90', points: bySecond.map(({ p90 }, second) => [second + 0.5, p90]) },
      { name: 'p99', points: bySecond.map(({ p99 }, second) => [second + 0.5, p99]) },
    ],
    marks: [{ name: 'aim for p99: 200 ms', value: 200 }],
  });
  const written = [await writePlot('burst-accept', latency)];
  if (drainSeconds === 0) return written;
  const { accepted, submitted, completed } = progress;
  const drain = lineChart({
    title: 'What becomes of a burst',
    subtitle,
    x: 'seconds since the first job',
    y: 'jobs so far',
    series: [
      { name: 'accepted', points: accepted },
      { name: 'submitted', points: submitted },
      { name: 'completed', points: completed },
    ],
  });
  return [...written, await writePlot('burst-drain', drain)];
}
