import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

const resolutionMs = 20;

/** How this process fares: how late it comes to its work, and what it holds. */
export function registerProcessMetrics(registry: Registry): void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  const lag: Gauge<'quantile'> = new Gauge({
    name: 'spillway_event_loop_lag_seconds',
    help: 'How late this process came to its work since the last scrape.',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const quantile of [50, 99, 100]) lag.set({ quantile: String(quantile / 100) }, lateness(delay, quantile));
      delay.reset();
    },
  });
  const memory: Gauge = new Gauge({
    name: 'spillway_resident_memory_bytes',
    help: 'Memory of this process.',
    registers: [registry],
    collect: () => memory.set(process.memoryUsage.rss()),
  });
}

/** The monitor counts its own interval in. Without a sample it says NaN. */
function lateness(delay: ReturnType<typeof monitorEventLoopDelay>, quantile: number): number {
  const seconds = delay.percentile(quantile) / 1e9 - resolutionMs / 1_000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}
