import { describe, expect, test } from 'vitest';

import { createWaveSpeedCatalogue } from '../../../src/providers/wavespeed/catalogue.ts';
import { deadOrigin, json, type Reply, stubVendor, text } from '../stub-vendor.ts';

const catalogueAt = (baseUrl: string) => createWaveSpeedCatalogue({ baseUrl, apiKey: 'secret-key' });
const success = (data: unknown): Reply => json(200, { code: 200, message: 'success', data });

function item(changes: object = {}): object {
  const properties = {
    prompt: { type: 'string' },
    duration: { type: 'integer', enum: [5, 10] },
    seed: { type: 'integer', minimum: -1, maximum: 9 },
  };
  const request_schema = { type: 'object', properties, required: ['prompt'] };
  return { model_id: 'maker/model', api_schema: { api_schemas: [{ request_schema }] }, ...changes };
}

describe('the models', () => {
  test('come with their fields, what those take, and what is required', async () => {
    const { origin, received } = await stubVendor(success([item()]));
    const models = await catalogueAt(origin).models();
    expect([...models.keys()]).toEqual(['maker/model']);
    expect(models.get('maker/model')).toEqual({
      fields: new Map([
        ['prompt', { type: 'string' }],
        ['duration', { type: 'integer', values: [5, 10] }],
        ['seed', { type: 'integer', min: -1, max: 9 }],
      ]),
      required: ['prompt'],
    });
    expect(received[0]).toMatchObject({ method: 'GET', url: '/api/v3/models' });
    expect(received[0]?.headers.authorization).toBe('Bearer secret-key');
  });

  test('that cannot be read are left out, and odd fields are known by name', async () => {
    const odd = { properties: { prompt: null, size: { type: 7, enum: [{}], minimum: 'low' } } };
    const { origin } = await stubVendor(
      success([
        null,
        { model_id: 7 },
        item({ model_id: 'none', api_schema: {} }),
        item({ model_id: 'odd', api_schema: { api_schemas: [7, {}, { request_schema: odd }] } }),
      ]),
    );
    const models = await catalogueAt(origin).models();
    expect([...models.keys()]).toEqual(['odd']);
    expect([...(models.get('odd')?.fields.keys() ?? [])]).toEqual(['prompt', 'size']);
    expect(models.get('odd')?.required).toEqual([]);
  });

  test.each([
    { what: 'HTML', reply: text(200, '<html>') },
    { what: 'no list', reply: success({ items: [] }) },
    { what: 'an error inside of a 200', reply: json(200, { code: 401, message: 'invalid api key' }) },
    { what: 'a refusal', reply: json(401, { code: 401, message: 'invalid api key' }) },
    { what: 'an outage', reply: json(500, { code: 500, message: 'sorry' }) },
  ])('are not there: $what', async ({ reply }) => {
    const { origin } = await stubVendor(reply);
    await expect(catalogueAt(origin).models()).rejects.toThrow('provider unreachable');
  });

  test('are not there: nobody', async () => {
    await expect(catalogueAt(await deadOrigin()).models()).rejects.toThrow('provider unreachable');
  });
});

describe('a quote', () => {
  const quote = async (reply: Reply): Promise<number | undefined> => {
    const { origin } = await stubVendor(reply);
    return await catalogueAt(origin).quote('maker/model', { duration: 5 });
  };

  test('is the price before discounts, of the very inputs', async () => {
    const { origin, received } = await stubVendor(success({ price: 0.5, discounted_price: 0.4, currency: 'USD' }));
    expect(await catalogueAt(origin).quote('maker/model', { duration: 5 })).toBe(0.5);
    expect(received[0]).toMatchObject({ method: 'POST', url: '/api/v3/model/price' });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ model_id: 'maker/model', inputs: { duration: 5 } });
  });

  test.each([
    { what: 'refused inputs', reply: json(400, { code: 400, message: 'bad' }) },
    { what: 'an unknown model', reply: json(404, { code: 404, message: 'model not found' }) },
    { what: 'another currency', reply: success({ price: 3, currency: 'EUR' }) },
    { what: 'a price that is none', reply: success({ price: 'free' }) },
    { what: 'a price below nothing', reply: success({ price: -1 }) },
  ])('is none: $what', async ({ reply }) => {
    expect(await quote(reply)).toBeUndefined();
  });

  test.each([401, 429, 500])('is no answer: %d', async (status) => {
    await expect(quote(json(status, { code: status, message: 'no' }))).rejects.toThrow('provider unreachable');
  });
});
