import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RequestHandler } from 'express';
import { limits } from '../../domain/limits/limits.ts';
import type { AppDeps } from '../deps.ts';
import { pageHeaders } from '../page-headers.ts';
import { Problem } from '../problems/problem.ts';
import { storeAnswered } from '../store-wait.ts';

export interface PageRoutes {
  /** `GET /` */
  readonly home: RequestHandler;
  /** `GET /page/{file}`: what the page is made of, and nothing else. */
  readonly file: RequestHandler<{ file: string }>;
}

/** The repository's root, from `src/api/routes` and from `dist/api/routes` alike. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.jpg': 'image/jpeg',
};

/** A page to make a video with. It is a client like any other: it knows nothing that the API would not tell it. */
export function createPage({ store, servedBySimulator = false }: PageDeps): PageRoutes {
  const page = readFileSync(join(root, 'page/index.html'), 'utf8').replace('{{simulated}}', String(servedBySimulator));
  const files = readFiles(servedBySimulator);
  const fileHeaders = pageHeaders();
  const homeHeaders = createHomeHeaders(store);
  return {
    async home(request, response) {
      const setHeaders = await homeHeaders();
      setHeaders(request, response, () => void response.set('cache-control', 'no-cache').type('html').send(page));
    },
    file(request, response) {
      const { file } = request.params;
      const bytes = files.get(file);
      if (bytes === undefined) throw new Problem('not_found');
      const type = types[extname(file)] ?? '';
      fileHeaders(request, response, () => void response.set('cache-control', 'no-cache').type(type).send(bytes));
    },
  };
}

type PageDeps = Pick<AppDeps, 'store' | 'servedBySimulator'>;

/** A few dozen kilobytes. In the demo there is a selfie to begin with. */
function readFiles(withSelfie: boolean): ReadonlyMap<string, Buffer> {
  const folder = join(root, 'page/static');
  const names = readdirSync(folder).filter((name) => extname(name) in types);
  const files = new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
  return withSelfie ? files.set('selfie.jpg', readFileSync(join(root, 'assets/selfie.jpg'))) : files;
}

/** A bucket is another origin, which the browser has to be allowed to play from. */
function createHomeHeaders(store: PageDeps['store']): () => Promise<RequestHandler> {
  let headers: RequestHandler | undefined;
  return async () => {
    if (headers !== undefined) return headers;
    const origins = store.links === undefined ? [] : await originsOf(store.links).catch(() => undefined);
    const made = pageHeaders({ imgSrc: ['blob:'], mediaSrc: ["'self'", 'blob:', ...(origins ?? [])] });
    // A store that could not say where it is will be asked again.
    if (origins !== undefined) headers = made;
    return made;
  };
}

/** Signing tells: it asks nobody whether there is such a video. */
async function originsOf(links: NonNullable<PageDeps['store']['links']>): Promise<readonly string[]> {
  const link = { secondsValid: limits.contentLinkSecondsValid, filename: 'none.mp4' };
  const url = await storeAnswered(links.download('assets/page/none.mp4', link));
  return [new URL(url).origin];
}
