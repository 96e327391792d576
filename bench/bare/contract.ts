/** What the workflow and its runner agree on. */

export const bareQueue = 'bare';
/** In the place of `spillway-assets`. */
export const bareStoreQueue = 'bare-store';

export interface BareActivities {
  submit(id: string): Promise<void>;
  store(id: string): Promise<void>;
  settle(id: string): Promise<void>;
}
