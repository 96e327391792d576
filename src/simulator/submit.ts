import type { Account } from './account.ts';
import type { Answer } from './answer.ts';
import { isAuthorized } from './authorize.ts';
import { findFault, type Fault } from './fault.ts';
import { parseMarkers } from './fault-marker.ts';
import { findModel, priceUsdMicros, type Inputs, type Model } from './model.ts';
import type { Prediction } from './prediction.ts';
import type { Exchange } from './route.ts';
import { validateInputs, type InvalidInput } from './validate-inputs.ts';

/** What a vendor read from the request, and how it answers. */
export interface Submission {
  readonly modelId: string;
  readonly input: Inputs;
  readonly webhook?: string | undefined;
  /** After which the vendor is to end it by itself. In real time, for it is the caller's clock. */
  readonly deadlineMs?: number | undefined;
  /** What the vendor itself finds wrong with the request, before the model's inputs are looked at. */
  readonly problem?: InvalidInput | undefined;
  readonly answers: SubmitAnswers;
}

/** The vendor's own words. `unauthorized` and `internal` are among its errors. */
export interface SubmitAnswers {
  readonly accepted: (prediction: Prediction) => Answer;
  /** Over the account's own limit of submits per minute. */
  readonly rateLimited: () => Answer;
  /** Turned away by the gateway: with a wait, or bare. */
  readonly throttled: (retryAfterSeconds: number | undefined) => Answer;
  readonly unknownModel: () => Answer;
  readonly invalidInput: (problem: InvalidInput) => Answer;
  /** Never asked of a vendor that lets predictions wait. */
  readonly overConcurrency: () => Answer;
  readonly noCredit: () => Answer;
}

/** A submit from the gateway to the running job, with whatever goes wrong on the way. */
export async function submitTo(exchange: Exchange, submission: Submission): Promise<Answer> {
  const { account, origin, baseUrl } = exchange;
  const { modelId, input, webhook, deadlineMs, answers } = submission;
  account.counts.submitted(modelId, webhook);
  const admitted = admit(exchange, submission);
  if ('answer' in admitted) return turnAway(account, admitted);

  const { model } = admitted;
  const faults = chooseFaults(account, model, input);
  const refusal = refusalBefore(faults, { account, answers });
  if (refusal) return turnAway(account, refusal);

  // From here on the job exists and is billed, whatever the caller gets to hear.
  const prediction = account.create({ model, input, webhook, deadlineMs, origin, baseUrl, faults });
  const answer = answerAfter(faults, account) ?? answers.accepted(prediction);
  await account.run(prediction, model);
  const slow = findFault(faults, 'submit-slow');
  if (slow) await account.timers.sleep(slow.delayMs);
  return answer;
}

interface Refusal {
  readonly reason: string;
  readonly answer: Answer;
}

function turnAway(account: Account, { reason, answer }: Refusal): Answer {
  account.counts.rejected(reason);
  return answer;
}

/** The gateway first, then the request, then the account: the order decides which error a caller sees. */
function admit(exchange: Exchange, submission: Submission): { readonly model: Model } | Refusal {
  const { account } = exchange;
  const { modelId, answers } = submission;
  if (!isAuthorized(exchange)) return { reason: 'unauthorized', answer: account.vendor.errors.unauthorized() };
  if (!account.rate.take(Date.now())) return { reason: 'rate', answer: answers.rateLimited() };
  const model = findModel(account.vendor.models, modelId);
  if (!model) return { reason: 'unknown_model', answer: answers.unknownModel() };
  const problem = findProblem(account, model, submission);
  if (problem) return { reason: 'invalid_input', answer: answers.invalidInput(problem) };
  return refusalByAccount(account, model, submission) ?? { model };
}

function findProblem(account: Account, model: Model, submission: Submission): InvalidInput | undefined {
  const { input, webhook, problem } = submission;
  if (problem) return problem;
  if (webhook !== undefined && !isHttpUrl(webhook)) {
    return { kind: 'invalid', field: 'webhook', message: 'must be an http(s) URL' };
  }
  const markers = parseMarkers(promptOf(account, input));
  if (markers.kind === 'unreadable') return { kind: 'invalid', message: `simulator: no such fault: ${markers.text}` };
  return validateInputs(model, input);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text);
}

function refusalByAccount(account: Account, model: Model, { input, answers }: Submission): Refusal | undefined {
  const { counts, limits, vendor } = account;
  if (vendor.overConcurrency === 'refuse' && counts.outstanding >= limits.outstanding) {
    return { reason: 'concurrency', answer: answers.overConcurrency() };
  }
  const canPay = priceUsdMicros(model, input) <= account.balanceUsdMicros;
  return canPay ? undefined : { reason: 'no_credit', answer: answers.noCredit() };
}

function chooseFaults(account: Account, model: Model, input: Inputs): readonly Fault[] {
  const { counts, faults, vendor } = account;
  const prompt = promptOf(account, input);
  return faults.choose({ vendor: vendor.name, model: model.id, prompt, ordinal: counts.submits });
}

function promptOf({ vendor }: Account, input: Inputs): string {
  const prompt = input[vendor.promptField];
  return typeof prompt === 'string' ? prompt : '';
}

interface Voice {
  readonly account: Account;
  readonly answers: SubmitAnswers;
}

/** The faults that leave nothing behind at the provider; the first one of them wins. */
function refusalBefore(faults: readonly Fault[], voice: Voice): Refusal | undefined {
  for (const fault of faults) {
    const answer = answerBefore(fault, voice);
    if (answer) return { reason: fault.kind, answer };
  }
  return undefined;
}

function answerBefore(fault: Fault, { account, answers }: Voice): Answer | undefined {
  if (fault.kind === 'submit-429') return answers.throttled(fault.retryAfterSeconds);
  if (fault.kind === 'submit-429-bare') return answers.throttled(undefined);
  if (fault.kind === 'submit-500-before') return account.vendor.errors.internal();
  if (fault.kind === 'submit-refused') {
    return answers.invalidInput({ kind: 'invalid', message: 'the request was refused' });
  }
  if (fault.kind === 'no-credit') return answers.noCredit();
  if (fault.kind === 'submit-reset-before') return { kind: 'reset' };
  return fault.kind === 'submit-hang-before' ? { kind: 'silence' } : undefined;
}

function answerAfter(faults: readonly Fault[], { vendor }: Account): Answer | undefined {
  if (findFault(faults, 'submit-500-after')) return vendor.errors.internal();
  if (findFault(faults, 'submit-reset-after')) return { kind: 'reset' };
  return findFault(faults, 'submit-hang-after') ? { kind: 'silence' } : undefined;
}
