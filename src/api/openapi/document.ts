import { OpenApiGeneratorV31, OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { adminOperations } from './admin-operations.ts';
import { answerHeaders, type Operation, routeOf } from './operation.ts';
import { otherOperations } from './other-operations.ts';
import { streamOperations, streamSchemas } from './stream-operations.ts';
import { usageOperation } from './usage-operation.ts';
import { videoOperations } from './video-operations.ts';
import { outgoingWebhooks, webhookOperations } from './webhook-operations.ts';

/** Every call there is, in the order in which the document tells of them. */
export const operations: readonly Operation[] = [
  ...videoOperations,
  ...streamOperations,
  ...webhookOperations,
  usageOperation,
  ...adminOperations,
  ...otherOperations,
];

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31['generateDocument']>;

let made: OpenApiDocument | undefined;

/** The contract of the API (OpenAPI 3.1), made of the schemas that validate its requests. */
export function openApiDocument(): OpenApiDocument {
  return (made ??= makeDocument());
}

function makeDocument(): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  for (const [name, header] of Object.entries(answerHeaders)) registry.registerComponent('headers', name, header);
  registry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'The key of a tenant. A key has scopes: `read`, `write`, `webhooks`; for operators `admin`.',
  });
  registry.registerComponent('securitySchemes', 'clientToken', {
    type: 'apiKey',
    in: 'query',
    name: 'token',
    description: 'The `client_token` of one job, which reads that job. It works as a bearer token too.',
  });
  for (const operation of operations) registry.registerPath(routeOf(operation));
  for (const webhook of outgoingWebhooks) registry.registerWebhook(webhook);
  // No answer is made of them alone: they are what streams are made of.
  const parts = streamSchemas.map((schema) => ({ type: 'schema', schema }) as const);
  return new OpenApiGeneratorV31([...registry.definitions, ...parts]).generateDocument({
    openapi: '3.1.0',
    info: {
      title: 'Spillway',
      version: '1',
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Durable video generation. The calls and the object are those of OpenAI’s Videos, so that its client works with ' +
        'another `baseURL`; fields beyond it are ours. Every error is a problem document (RFC 9457).',
    },
    tags: [
      { name: 'Videos' },
      {
        name: 'Streams',
        description: 'The same events by Server-Sent Events and by WebSocket. docs/streaming.md has more.',
      },
      { name: 'Uploads' },
      { name: 'Models' },
      { name: 'Webhooks' },
      { name: 'Account' },
      { name: 'Admin', description: 'For operators: a key with the scope `admin`. docs/operations.md has more.' },
      { name: 'About' },
      { name: 'Elsewhere', description: 'Calls of OpenAI’s client that are not offered here.' },
    ],
    servers: [{ url: '/' }],
  });
}
