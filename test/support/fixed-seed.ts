import { configureGlobal } from 'fast-check';

/**
 * The same examples in every run, so that nobody's change fails for what another one has left. `PROPERTY_SEED=random` looks
 * for new ones, as the public CI does every night; what a failure prints is the number to give here.
 */
const { PROPERTY_SEED: seed = '1' } = process.env;
if (seed !== 'random') configureGlobal({ seed: Number(seed) });
