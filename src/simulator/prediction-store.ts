import type { Prediction } from './prediction.ts';

export interface ListFilter {
  readonly page: number;
  readonly pageSize: number;
  readonly model?: string | undefined;
  readonly status?: string | undefined;
  readonly createdAfterMs?: number | undefined;
  readonly createdBeforeMs?: number | undefined;
}

export interface ListPage {
  readonly items: readonly Prediction[];
  readonly total: number;
}

/** Keeps every prediction ever made, the deleted ones too: the API forgets them, the books don't. */
export class PredictionStore {
  readonly #byId = new Map<string, Prediction>();

  save(prediction: Prediction): void {
    this.#byId.set(prediction.id, prediction);
  }

  find(id: string): Prediction | undefined {
    return this.#byId.get(id);
  }

  /** As a caller of the API sees it. */
  findVisible(id: string): Prediction | undefined {
    const prediction = this.#byId.get(id);
    return prediction?.deleted ? undefined : prediction;
  }

  all(): readonly Prediction[] {
    return [...this.#byId.values()];
  }

  /** Newest first. */
  list({ page, pageSize, ...filter }: ListFilter): ListPage {
    const found = this.all()
      .filter((prediction) => matches(prediction, filter))
      .toReversed();
    return { items: found.slice((page - 1) * pageSize, page * pageSize), total: found.length };
  }
}

function matches(prediction: Prediction, filter: Omit<ListFilter, 'page' | 'pageSize'>): boolean {
  return (
    !prediction.deleted &&
    (filter.model === undefined || prediction.model === filter.model) &&
    (filter.status === undefined || prediction.status === filter.status) &&
    prediction.createdAtMs >= (filter.createdAfterMs ?? -Infinity) &&
    prediction.createdAtMs <= (filter.createdBeforeMs ?? Infinity)
  );
}
