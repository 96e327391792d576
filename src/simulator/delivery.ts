import { findFault, type Fault } from './fault.ts';
import type { Prediction } from './prediction.ts';
import { callbackData } from './wire.ts';

/** One callback to send. `copies` leave at the same moment; a forged one is not the vendor's, so nobody retries it. */
export interface Delivery {
  readonly id: string;
  readonly body: string;
  readonly signature: 'true' | 'forged';
  readonly copies: number;
  readonly waitMs: number;
}

/** What an ended prediction sends, in this order, each after the one before got its first answer. */
export function planDeliveries(prediction: Prediction): readonly Delivery[] {
  const { faults, status } = prediction;
  if (prediction.deleted || (status !== 'completed' && status !== 'failed')) return [];
  if (findFault(faults, 'callback-lost')) return [];
  const forged = findFault(faults, 'callback-forged');
  const delayMs = findFault(faults, 'callback-delayed')?.delayMs ?? 0;
  const deliveries = [
    ...(forged ? [forgery(prediction)] : []),
    ...(forged?.order === 'only' ? [] : [verdict(prediction)]),
    ...(findFault(faults, 'callback-out-of-order') ? [straggler(prediction)] : []),
  ];
  return deliveries.map((delivery, index) => (index === 0 ? { ...delivery, waitMs: delayMs } : delivery));
}

function delivery(id: string, body: string): Delivery {
  return { id, body, signature: 'true', copies: 1, waitMs: 0 };
}

function verdict(prediction: Prediction): Delivery {
  const copies = findFault(prediction.faults, 'callback-duplicated')?.copies ?? 1;
  return { ...delivery(prediction.id, verdictBody(prediction, prediction.faults)), copies };
}

function verdictBody(prediction: Prediction, faults: readonly Fault[]): string {
  const wrong = findFault(faults, 'callback-wrong-body');
  if (wrong?.body === 'not-json') return '<html><body>502 Bad Gateway</body></html>';
  const otherId = prediction.id.split('').toReversed().join('');
  return JSON.stringify(callbackData(wrong ? { ...prediction, id: otherId } : prediction));
}

/** Claims the opposite of what happened, under a signature that does not fit. */
function forgery(prediction: Prediction): Delivery {
  const lie: Prediction =
    prediction.status === 'completed'
      ? { ...prediction, status: 'failed', ending: { kind: 'failed', code: 1405, message: 'A forged failure.' } }
      : { ...prediction, status: 'completed', ending: { kind: 'completed' }, origin: 'https://forged.invalid' };
  return { ...delivery(prediction.id, JSON.stringify(callbackData(lie))), signature: 'forged' };
}

/** What the vendor would have said before the end; the ending is blanked only so that no error shows. */
function straggler(prediction: Prediction): Delivery {
  const earlier: Prediction = { ...prediction, status: 'processing', ending: { kind: 'completed' } };
  return delivery(prediction.id, JSON.stringify(callbackData(earlier)));
}
