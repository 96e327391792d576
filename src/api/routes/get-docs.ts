import { join } from 'node:path';
import type { RequestHandler } from 'express';
import swaggerUiDirectory from 'swagger-ui-dist/absolute-path.js';

/** Of the package, nothing but what the page needs is served. */
const assets = ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'] as const;

/** `GET /docs`: the contract as a page. Everything on it comes from here: it works without a network beyond ours. */
export function docsPages(): readonly { readonly path: string; readonly send: RequestHandler }[] {
  return [
    { path: '/docs', send: (_request, response) => void response.type('html').send(page) },
    { path: '/docs/start.js', send: (_request, response) => void response.type('text/javascript').send(start) },
    ...assets.map((name) => ({ path: `/docs/${name}`, send: sendAsset(name) })),
  ];
}

function sendAsset(name: string): RequestHandler {
  const path = join(swaggerUiDirectory(), name);
  return (_request, response) => response.sendFile(path, { maxAge: '1h' });
}

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spillway: the API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="document"></div>
<noscript><p>This page needs JavaScript. The document itself is at <a href="/openapi.json">/openapi.json</a>.</p></noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#document',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  validatorUrl: null,
});
`;
