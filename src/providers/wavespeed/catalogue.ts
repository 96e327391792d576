import { z } from 'zod';
import { limits } from '../../domain/limits/limits.ts';
import { createHttp } from '../http.ts';
import type { ProviderSettings } from '../settings.ts';
import type { VendorCatalogue, VendorField, VendorModel } from '../vendor-catalogue.ts';
import type { VendorClient } from '../vendor-client.ts';
import { jsonBody } from '../wire-values.ts';
import { ask, createClient, unreachable } from './client.ts';

/** The account's view of the vendor's models, and its quotes (reference on providers, section 2.7). */
export function createWaveSpeedCatalogue(settings: ProviderSettings): VendorCatalogue {
  const { timeouts, now } = createClient(settings);
  // Some thousand models with a schema each: larger, and slower to come, than any other answer.
  const http = createHttp({
    baseUrl: settings.baseUrl,
    headers: () => ({ authorization: `Bearer ${settings.apiKey}` }),
    timeouts: { connectMs: timeouts.connectMs, totalMs: timeouts.uploadMs },
    bytesMax: limits.vendorCatalogueBytesMax,
  });
  const client: VendorClient = { http, timeouts, now };
  return {
    models: () => readModels(client),
    quote: (model, input) => quote(client, { model_id: model, inputs: input }),
  };
}

async function readModels(client: VendorClient): Promise<ReadonlyMap<string, VendorModel>> {
  const answer = await ask(client, { method: 'GET', path: '/api/v3/models' });
  const items = answer.readable ? z.array(z.unknown()).safeParse(answer.envelope?.data).data : undefined;
  if (items === undefined) throw unreachable(answer);
  return new Map(
    items.flatMap((item) => {
      const model = modelSchema.safeParse(item).data;
      const schema = model?.api_schema.api_schemas.find(({ request_schema }) => request_schema)?.request_schema;
      return model && schema ? [[model.model_id, modelOf(schema)] as const] : [];
    }),
  );
}

/** A refusal of these inputs is an answer: it has no price. */
async function quote(
  client: VendorClient,
  order: { readonly model_id: string; readonly inputs: Readonly<Record<string, unknown>> },
): Promise<number | undefined> {
  const answer = await ask(client, { method: 'POST', path: '/api/v3/model/price', body: jsonBody(order) });
  if (answer.readable && answer.verdict === 200) return quoteSchema.safeParse(answer.envelope?.data).data?.price;
  if ([400, 404, 422].includes(answer.verdict)) return undefined;
  throw unreachable(answer);
}

function modelOf({ properties, required }: RequestSchema): VendorModel {
  const fields = Object.entries(properties).map(([name, property]) => [name, fieldOf(property)] as const);
  return { fields: new Map(fields), required };
}

function fieldOf(property: z.infer<typeof propertySchema>): VendorField {
  const { type, enum: values, minimum: min, maximum: max } = property;
  return { type, values, min, max };
}

const propertySchema = z
  .object({
    type: z.string().optional().catch(undefined),
    enum: z
      .array(z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .catch(undefined),
    minimum: z.number().optional().catch(undefined),
    maximum: z.number().optional().catch(undefined),
  })
  .catch({});

const requestSchema = z.object({
  properties: z.record(z.string(), propertySchema),
  required: z.array(z.string()).catch([]),
});
type RequestSchema = z.infer<typeof requestSchema>;

const modelSchema = z.object({
  model_id: z.string(),
  api_schema: z.object({
    api_schemas: z.array(z.object({ request_schema: requestSchema.optional().catch(undefined) }).catch({})),
  }),
});

const quoteSchema = z.object({ price: z.number().nonnegative(), currency: z.literal('USD').optional() });
