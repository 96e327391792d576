import type { Prediction } from './prediction.ts';

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

  /** What a caller of the API can list, newest first. */
  allVisible(): readonly Prediction[] {
    return this.all()
      .filter(({ deleted }) => !deleted)
      .toReversed();
  }
}
