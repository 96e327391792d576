import { createHash } from 'node:crypto';
import type { Account } from './account.ts';
import { failure, type Answer } from './answer.ts';
import { parseRange } from './byte-range.ts';
import { findFault } from './fault.ts';
import { isDataRemoved, outputUrlOf, type Prediction } from './prediction.ts';
import type { RootExchange, Route } from './route.ts';
import { sampleVideo } from './sample-video.ts';

/** The vendors' CDN: no key, and nothing for a prediction that was deleted or whose data are gone. */
export const outputs: Route<RootExchange> = {
  method: 'GET',
  path: /^\/outputs\/(?<id>[^/]+)\.mp4$/,
  handle: getOutput,
};

/** For a vendor whose URLs expire: a new one for every reading. */
export function signedOutputUrlOf(prediction: Prediction, { vendor, options }: Account): string {
  const expires = String(Math.ceil(Date.now() + (vendor.outputUrlMs ?? 0) * options.timeScale));
  const query = new URLSearchParams({ expires, signature: signatureOf(prediction.id, expires) });
  return `${outputUrlOf(prediction)}?${query.toString()}`;
}

function getOutput({ world, parameters, request, url }: RootExchange): Answer {
  const id = parameters['id'] ?? '';
  const account = [...world.accounts.values()].find(({ predictions }) => hasOutput(predictions.findVisible(id)));
  if (!account) return failure(404, 'no such output');
  if (account.vendor.outputUrlMs !== undefined && !isSigned(id, url)) return failure(403, 'signature expired');
  return serveVideo(request.headers.range);
}

function hasOutput(prediction: Prediction | undefined): boolean {
  if (prediction?.status !== 'completed' || isDataRemoved(prediction, Date.now())) return false;
  return !findFault(prediction.faults, 'output-404');
}

function isSigned(id: string, { searchParams }: URL): boolean {
  const expires = searchParams.get('expires') ?? '';
  return searchParams.get('signature') === signatureOf(id, expires) && Date.now() < Number(expires);
}

/** Not a secret: it is there so that a caller who loses a part of the URL notices. */
function signatureOf(id: string, expires: string): string {
  return createHash('sha256').update(`${id}?${expires}`).digest('hex').slice(0, 32);
}

function serveVideo(rangeHeader: string | undefined): Answer {
  const size = sampleVideo.length;
  const headers = { 'content-type': 'video/mp4', 'accept-ranges': 'bytes' };
  const range = parseRange(rangeHeader, size);
  if (range === 'whole') return { kind: 'bytes', status: 200, headers, body: sampleVideo };
  if (range === 'unsatisfiable') {
    return { kind: 'bytes', status: 416, headers: { 'content-range': `bytes */${size}` }, body: Buffer.alloc(0) };
  }
  const contentRange = { 'content-range': `bytes ${range.start}-${range.end}/${size}` };
  return {
    kind: 'bytes',
    status: 206,
    headers: { ...headers, ...contentRange },
    body: sampleVideo.subarray(range.start, range.end + 1),
  };
}
