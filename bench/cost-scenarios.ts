import { createServer } from 'node:http';
import { z } from 'zod';
import type { FaultPlan } from '../src/simulator/fault.ts';
import type { Stage } from './stage.ts';

/** A way that a job may go. */
export interface Scenario {
  readonly name: string;
  readonly faults: FaultPlan;
  readonly hasWebhook?: boolean;
}

export const scenarios: readonly Scenario[] = [
  { name: 'plain', faults: [] },
  { name: 'poll', faults: [{ share: 1, fault: { kind: 'callback-lost' } }] },
  // The same target again, and then another vendor.
  { name: 'failover', faults: [{ vendor: 'wavespeed', share: 1, fault: { kind: 'failed' } }] },
  { name: 'webhook', faults: [], hasWebhook: true },
];

/** Orders jobs of a scenario, and receives their webhooks. */
export interface Ordering {
  /** Returns the ids of those that were accepted, which are all. */
  order(scenario: Scenario, jobs: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

const atOnce = 20;
const answerMsMax = 10_000;
const triesMax = 20;
const acceptedSchema = z.object({ id: z.string() });

export async function openOrdering(stage: Stage): Promise<Ordering> {
  const receiver = createServer((request, response) => {
    request.resume();
    response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const address = receiver.address();
  if (address === null || typeof address === 'string') throw new Error('The receiver of webhooks has no port.');
  const webhookUrl = `http://127.0.0.1:${address.port}/`;
  return {
    async order({ faults, hasWebhook = false }, jobs) {
      await setFaults(stage, faults);
      const wish = { model: 'wan-2.6', ...(hasWebhook && { webhook_url: webhookUrl }) };
      const left = Array.from({ length: jobs }, (_, index) => index);
      const ids: string[] = [];
      const client = async (): Promise<void> => {
        for (let index = left.pop(); index !== undefined; index = left.pop())
          ids.push(await orderOne(stage, { ...wish, prompt: `Take ${index}: waves at dusk, a pan to the lighthouse` }));
      };
      await Promise.all(Array.from({ length: atOnce }, client));
      return ids;
    },
    async close() {
      receiver.closeAllConnections();
      await new Promise((resolve) => receiver.close(resolve));
    },
  };
}

async function orderOne({ ports, apiKey }: Stage, wish: object): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(`http://127.0.0.1:${ports.api}/v1/videos`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
      body: JSON.stringify(wish),
      signal: AbortSignal.timeout(answerMsMax),
    });
    if (answer.status === 202) return acceptedSchema.parse(await answer.json()).id;
    if (tries === triesMax) throw new Error(`A job was not accepted: ${answer.status} ${await answer.text()}`);
  }
}

async function setFaults({ ports }: Stage, plan: FaultPlan): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${ports.simulator}/control/faults`, {
    method: 'POST',
    body: JSON.stringify(plan),
    signal: AbortSignal.timeout(answerMsMax),
  });
  if (!answer.ok) throw new Error(`The simulator refused the faults: ${await answer.text()}`);
}
