import type { CallbackRules } from './callback-rules.ts';
import { findFault } from './fault.ts';
import type { Prediction } from './prediction.ts';

/** One callback to send. `copies` leave at the same moment; a forged one is not the vendor's, so nobody retries it. */
export interface Delivery {
  readonly id: string;
  readonly body: string;
  readonly signature: 'true' | 'forged';
  readonly copies: number;
  readonly waitMs: number;
}

type BodyOf = CallbackRules['bodyOf'];

/** What an ended prediction sends, in this order, each after the one before got its first answer. */
export function planDeliveries(prediction: Prediction, bodyOf: BodyOf): readonly Delivery[] {
  const { faults } = prediction;
  if (prediction.deleted || !bodyOf(prediction) || findFault(faults, 'callback-lost')) return [];
  const forged = findFault(faults, 'callback-forged');
  const delayMs = findFault(faults, 'callback-delayed')?.delayMs ?? 0;
  const deliveries = [
    ...(forged ? forgery(prediction, bodyOf) : []),
    ...(forged?.order === 'only' ? [] : verdict(prediction, bodyOf)),
    ...(findFault(faults, 'callback-out-of-order') ? straggler(prediction, bodyOf) : []),
  ];
  return deliveries.map((delivery, index) => (index === 0 ? { ...delivery, waitMs: delayMs } : delivery));
}

/** None when the vendor has nothing to say. */
function delivery(id: string, body: object | string | undefined): readonly Delivery[] {
  if (body === undefined) return [];
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return [{ id, body: text, signature: 'true', copies: 1, waitMs: 0 }];
}

function verdict(prediction: Prediction, bodyOf: BodyOf): readonly Delivery[] {
  const copies = findFault(prediction.faults, 'callback-duplicated')?.copies ?? 1;
  return delivery(prediction.id, verdictBody(prediction, bodyOf)).map((sole) => ({ ...sole, copies }));
}

function verdictBody(prediction: Prediction, bodyOf: BodyOf): object | string | undefined {
  const wrong = findFault(prediction.faults, 'callback-wrong-body');
  if (wrong?.body === 'not-json') return '<html><body>502 Bad Gateway</body></html>';
  const otherId = prediction.id.split('').toReversed().join('');
  return bodyOf(wrong ? { ...prediction, id: otherId } : prediction);
}

/** Claims the opposite of what happened, under a signature that does not fit. */
function forgery(prediction: Prediction, bodyOf: BodyOf): readonly Delivery[] {
  const lie: Prediction =
    prediction.status === 'completed'
      ? { ...prediction, status: 'failed', ending: { kind: 'failed', code: 1405, message: 'A forged failure.' } }
      : { ...prediction, status: 'completed', ending: { kind: 'completed' }, origin: 'https://forged.invalid' };
  return delivery(prediction.id, bodyOf(lie)).map((sole) => ({ ...sole, signature: 'forged' }));
}

/** What the vendor would have said before the end; the ending is blanked only so that no error shows. */
function straggler(prediction: Prediction, bodyOf: BodyOf): readonly Delivery[] {
  return delivery(prediction.id, bodyOf({ ...prediction, status: 'processing', ending: { kind: 'completed' } }));
}
