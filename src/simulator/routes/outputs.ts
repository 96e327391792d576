import { notFound, type Answer } from '../answer.ts';
import { parseRange } from '../byte-range.ts';
import { findFault } from '../fault.ts';
import type { Exchange, Route } from '../route.ts';
import { sampleVideo } from '../sample-video.ts';

/** The vendor's CDN: no key, and nothing for a prediction that was deleted. */
export const outputs: Route = { method: 'GET', path: /^\/outputs\/(?<id>[^/]+)\.mp4$/, handle: getOutput };

function getOutput({ account, parameters, request }: Exchange): Answer {
  const prediction = account.predictions.findVisible(parameters['id'] ?? '');
  if (prediction?.status !== 'completed' || findFault(prediction.faults, 'output-404')) return notFound('output');
  return serveVideo(request.headers.range);
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
