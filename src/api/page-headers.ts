import type { RequestHandler } from 'express';
import helmet from 'helmet';

/** Where a page's pictures, beside ours, and its videos may come from. */
export interface PageSources {
  readonly imgSrc?: readonly string[];
  readonly mediaSrc?: readonly string[];
}

/** Nothing of it may be loaded from elsewhere, run inline, or be shown within another page. */
export function pageHeaders({ imgSrc = [], mediaSrc = ["'none'"] }: PageSources = {}): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:', ...imgSrc],
        mediaSrc: [...mediaSrc],
        connectSrc: ["'self'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
      },
    },
    // Whether the whole host is to be had by https alone is for whoever runs it to say.
    strictTransportSecurity: false,
  });
}
