import type { RequestHandler } from 'express';
import { entityTagOf, isKnown } from '../reading/entity-tag.ts';
import { openApiDocument } from '../openapi/document.ts';

/** `GET /openapi.json`: the contract, the same for everybody. Made when it is first asked for. */
export function getOpenApi(): RequestHandler {
  let made: { readonly text: string; readonly etag: string } | undefined;
  return (request, response) => {
    made ??= describe();
    response.set({ etag: made.etag, 'cache-control': 'public, max-age=300', 'access-control-allow-origin': '*' });
    if (isKnown(request, made.etag)) response.status(304).end();
    else response.type('application/json').send(made.text);
  };
}

function describe() {
  const text = JSON.stringify(openApiDocument());
  return { text, etag: entityTagOf(text) };
}
