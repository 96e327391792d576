import type { RequestHandler } from 'express';
import { pageHeaders } from '../page-headers.ts';
import { Problem } from '../problems/problem.ts';
import { type ProblemPage, problemPages } from '../problems/problem-guide.ts';

const headers = pageHeaders();

/** `GET /problems/{code}`: where the `type` of a problem leads. JSON, or a page where the browser asks for one. */
export function getProblem(): RequestHandler<{ code: string }> {
  return (request, response) => {
    const page = problemPages.get(request.params.code);
    if (page === undefined) throw new Problem('not_found');
    response.set('cache-control', 'public, max-age=3600').vary('accept');
    if (request.accepts(['json', 'html']) !== 'html') return void response.json(page);
    headers(request, response, () => void response.type('html').send(htmlOf(page)));
  };
}

/** Nothing in it comes from a request. */
function htmlOf({ code, status, title, meaning, next }: ProblemPage): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(title)}</title></head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p><code>${code}</code>, HTTP ${status}</p>
<h2>What it means</h2>
<p>${escaped(meaning)}</p>
<h2>What to do next</h2>
<p>${escaped(next)}</p>
<p><a href="/docs">All calls of the API</a></p>
</main>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
