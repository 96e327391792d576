import { defaultWorkerTuning, workerSlots as slotsOf } from '../src/domain/worker-tuning.ts';

/** The slots and polls of our own worker as it comes, for those it is compared with; `storeSlots` copies videos. */
export const { workflows: workerSlots, assets: storeSlots } = slotsOf(defaultWorkerTuning);
