/** What the page reads of the API's answers. */

interface Problem {
  readonly code: string;
  readonly title: string;
  readonly status?: number;
  readonly detail?: string;
  readonly request_id?: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
}

interface Video {
  readonly id: string;
  readonly status: 'queued' | 'in_progress' | 'completed' | 'failed' | 'cancelled';
  readonly progress: number;
  readonly created_at: number;
  readonly completed_at: number | null;
  readonly expires_at: number | null;
  readonly model: string;
  readonly prompt: string | null;
  readonly seconds: string | null;
  readonly size: string | null;
  readonly requested: { readonly model: string } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly queue: {
    readonly position: number | null;
    readonly eta_seconds: number | null;
    readonly reason: string;
  } | null;
  readonly served_by: { readonly provider: string; readonly model: string } | null;
  readonly attempts: number;
  readonly outputs: readonly { readonly bytes: number }[];
  readonly cost_usd: number | null;
  readonly client_token?: string;
}

interface Mode {
  readonly seconds: readonly number[];
  readonly sizes: readonly string[];
  readonly prompt_chars_max: number;
}

interface Model {
  readonly id: string;
  readonly status: 'active' | 'retired' | 'unavailable';
  readonly text: Mode | null;
  readonly image: Mode | null;
  readonly targets: readonly {
    readonly available: boolean;
    readonly text: Mode | null;
    readonly image: Mode | null;
    readonly price_per_second: { readonly values: Readonly<Record<string, number>> } | null;
  }[];
}

interface Attempt {
  readonly attempt: number;
  readonly target: string;
  readonly provider: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly failure_code: string | null;
  readonly cost_usd: number | null;
}

interface TimelineEvent {
  readonly seq: number;
  readonly at: string;
  readonly kind: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Timeline {
  readonly events: readonly TimelineEvent[];
  readonly attempts: readonly Attempt[];
}

interface Receipt {
  readonly erased: readonly string[];
  readonly pending: readonly string[];
  readonly provider: readonly {
    readonly provider: string;
    readonly operation: string | null;
    readonly outcome: string;
  }[];
  readonly cost_usd: number | null;
  readonly erased_at: number | null;
}
