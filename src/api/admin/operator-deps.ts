import type { AppDeps } from '../deps.ts';
import type { Operator } from './operator.ts';

export type OperatorDeps = Pick<AppDeps, 'pool' | 'reports' | 'notifyMail' | 'notifyAccepted'> & {
  readonly operator: Operator;
};
