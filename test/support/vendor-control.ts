import type { FaultPlan } from '../../src/simulator/fault.ts';

/** What the simulator tells of itself to those who test with it. */
export interface VendorControl {
  counts(): Promise<VendorCounts>;
  submits(): Promise<readonly VendorSubmits[]>;
  predictions(): Promise<readonly VendorPrediction[]>;
  /** From now on; what prompts ask for comes on top. */
  faults(plan: FaultPlan): Promise<void>;
  /** Ends a prediction that would not end by itself, and resolves when its callbacks were answered. */
  finish(prediction: string): Promise<void>;
}

export interface VendorCounts {
  readonly submits: number;
  readonly created: number;
  readonly outstanding: number;
  readonly outstanding_max: number;
  readonly started_per_minute_max: number;
  readonly callbacks_sent: number;
  readonly callbacks_acknowledged: number;
  readonly rejected: Readonly<Record<string, number>>;
  readonly by_vendor: Readonly<Record<string, Pick<VendorCounts, 'outstanding_max' | 'started_per_minute_max'>>>;
}

/** What was sent to one callback URL. `correlation` is the URL's part that names the attempt. */
export interface VendorSubmits {
  readonly webhook: string;
  readonly submits: number;
  readonly created: number;
  readonly correlation?: string;
}

export interface VendorPrediction {
  readonly id: string;
  readonly vendor: string;
  readonly model: string;
  readonly status: 'created' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'timeout';
  readonly webhook: string | null;
  readonly correlation: string | null;
  readonly created_at: string;
}

export function createVendorControl(origin: string): VendorControl {
  const ask = async (path: string, body?: unknown) => {
    const request = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${origin}/control/${path}`, request);
    if (!response.ok) throw new Error(`/control/${path} was answered ${response.status}: ${await response.text()}`);
    return await response.json();
  };
  return {
    counts: () => ask('counts'),
    submits: () => ask('submits'),
    predictions: () => ask('predictions'),
    async faults(plan) {
      await ask('faults', plan);
    },
    async finish(prediction) {
      await ask(`finish/${prediction}`, {});
    },
  };
}
