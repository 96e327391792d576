import type { Account } from '../account.ts';
import { failure, json, success, type Answer } from '../answer.ts';
import { findModel, priceUsdMicros, type Inputs, type Model } from '../catalogue.ts';
import { findFault, type Fault } from '../fault.ts';
import { parseMarkers } from '../fault-marker.ts';
import { readJsonObject } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { validateInputs } from '../validate-inputs.ts';
import { predictionData } from '../wire.ts';
import { isAuthorized } from './authorize.ts';

/** Any other POST below `/api/v3/` is a submit: model ids are paths. */
export const submit: Route = { method: 'POST', path: /^\/api\/v3\/(?<model>.+)$/, handle: handleSubmit };

interface Submission {
  readonly model: Model;
  readonly input: Inputs;
  readonly webhook?: string;
}

async function handleSubmit(exchange: Exchange): Promise<Answer> {
  const { account, origin, parameters, url } = exchange;
  const input = await readJsonObject(exchange.request);
  const webhook = url.searchParams.get('webhook') ?? undefined;
  account.counts.submitted(parameters['model'] ?? '', webhook);
  const admitted = admit(exchange, input, webhook);
  if ('answer' in admitted) return refuse(account, admitted);

  const { model } = admitted;
  const prompt = typeof admitted.input['prompt'] === 'string' ? admitted.input['prompt'] : '';
  const faults = account.faults.choose({ model: model.id, prompt, ordinal: account.counts.submits });
  const turnedAway = answerBefore(faults);
  if (turnedAway) return refuse(account, turnedAway);

  // From here on the job exists and is billed, whatever the caller gets to hear.
  const prediction = account.create({ ...admitted, origin, faults });
  const answer = answerAfter(faults, success(predictionData(prediction)));
  await account.run(prediction, model);
  const slow = findFault(faults, 'submit-slow');
  if (slow) await account.timers.sleep(slow.delayMs);
  return answer;
}

interface Refusal {
  readonly reason: string;
  readonly answer: Answer;
}

function refuse(account: Account, { reason, answer }: Refusal): Answer {
  account.counts.rejected(reason);
  return answer;
}

/** The gateway first, then the request, then the account: the order decides which error a caller sees. */
function admit(exchange: Exchange, input: Inputs | undefined, webhook: string | undefined): Submission | Refusal {
  const { account, parameters } = exchange;
  if (!isAuthorized(exchange)) return { reason: 'unauthorized', answer: failure(401, 'invalid api key') };
  const { perMinute } = account.limits;
  if (!account.rate.take(Date.now())) {
    return { reason: 'rate', answer: failure(429, `rate limit exceeded: ${perMinute} videos per minute`) };
  }
  const model = findModel(parameters['model'] ?? '');
  if (!model) return { reason: 'unknown_model', answer: failure(404, 'model not found') };
  const invalid = complain(model, input, webhook);
  if (invalid) return { reason: 'invalid_input', answer: failure(400, invalid.message, invalid.errorCode) };
  return admitToAccount(account, { model, input: input ?? {}, ...(webhook !== undefined && { webhook }) });
}

function admitToAccount(account: Account, submission: Submission): Submission | Refusal {
  const { outstanding } = account.limits;
  if (account.counts.outstanding >= outstanding) {
    return { reason: 'concurrency', answer: failure(429, `concurrent task limit exceeded: ${outstanding} tasks`) };
  }
  return priceUsdMicros(submission.model, submission.input) > account.balanceUsdMicros ? noCredit() : submission;
}

function complain(model: Model, input: Inputs | undefined, webhook: string | undefined) {
  if (!input) return { errorCode: 1401, message: 'the body must be a JSON object' };
  if (webhook !== undefined && !isHttpUrl(webhook))
    return { errorCode: 1401, message: 'webhook must be an http(s) URL' };
  const markers = parseMarkers(typeof input['prompt'] === 'string' ? input['prompt'] : '');
  if (markers.kind === 'unreadable') return { errorCode: 1401, message: `simulator: no such fault: ${markers.text}` };
  return validateInputs(model, input);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:/.test(text);
}

function noCredit(): Refusal {
  return { reason: 'no_credit', answer: failure(403, 'insufficient balance, please top up your account') };
}

/** The faults that leave nothing behind at the provider; the first one of them wins. */
function answerBefore(faults: readonly Fault[]): Refusal | undefined {
  for (const fault of faults) {
    const answer = refusalBy(fault);
    if (answer) return { reason: fault.kind, answer };
  }
  return undefined;
}

function refusalBy(fault: Fault): Answer | undefined {
  if (fault.kind === 'submit-429') {
    const headers = { 'retry-after': String(fault.retryAfterSeconds) };
    return json(429, { code: 429, message: 'too many requests' }, headers);
  }
  if (fault.kind === 'submit-429-bare') {
    return {
      kind: 'bytes',
      status: 429,
      headers: { 'content-type': 'text/plain' },
      body: Buffer.from('Too Many Requests'),
    };
  }
  if (fault.kind === 'submit-500-before') return failure(500, 'internal server error');
  if (fault.kind === 'submit-refused') return failure(400, 'the request was refused', 1401);
  if (fault.kind === 'no-credit') return noCredit().answer;
  if (fault.kind === 'submit-reset-before') return { kind: 'reset' };
  return fault.kind === 'submit-hang-before' ? { kind: 'silence' } : undefined;
}

function answerAfter(faults: readonly Fault[], accepted: Answer): Answer {
  if (findFault(faults, 'submit-500-after')) return failure(500, 'internal server error');
  if (findFault(faults, 'submit-reset-after')) return { kind: 'reset' };
  return findFault(faults, 'submit-hang-after') ? { kind: 'silence' } : accepted;
}
