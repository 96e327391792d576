import { z } from 'zod';
import type { Answer } from '../answer.ts';
import { withKey } from '../authorize.ts';
import { findModel, priceUsdMicros } from '../model.ts';
import { readJson } from '../read-body.ts';
import type { Exchange, Route } from '../route.ts';
import { failure, notFound, success } from './answers.ts';
import { models } from './models.ts';
import { modelItem } from './wire.ts';

const priceSchema = z.object({ model_id: z.string(), inputs: z.record(z.string(), z.unknown()).default({}) });

export const accountRoutes: readonly Route[] = [
  { method: 'GET', path: /^\/api\/v3\/balance$/, handle: getBalance } as const,
  { method: 'GET', path: /^\/api\/v3\/models$/, handle: () => success(models.map(modelItem)) } as const,
  { method: 'GET', path: /^\/api\/v3\/webhook\/secret$/, handle: getWebhookSecret } as const,
  { method: 'POST', path: /^\/api\/v3\/model\/price$/, handle: quotePrice } as const,
].map(withKey);

function getBalance({ account }: Exchange): Answer {
  return success({ balance: account.balanceUsdMicros / 1e6 });
}

function getWebhookSecret({ account }: Exchange): Answer {
  return success({ secret: account.options.webhookSecret });
}

async function quotePrice({ request }: Exchange): Promise<Answer> {
  const body = priceSchema.safeParse(await readJson(request));
  if (!body.success) return failure(400, z.prettifyError(body.error), 1401);
  const model = findModel(models, body.data.model_id);
  if (!model) return notFound('model');
  const price = priceUsdMicros(model, body.data.inputs) / 1e6;
  return success({ price, discounted_price: price, discount_rate: 1, currency: 'USD' });
}
