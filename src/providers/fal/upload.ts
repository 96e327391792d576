import { failureOf } from '../../domain/failure.ts';
import { HostileUrlError } from '../hostile-url.ts';
import { HttpError } from '../http.ts';
import { fileNameOf } from '../multipart.ts';
import { isProofOfRefusal } from '../no-answer.ts';
import { ProviderUnreachableError, type InputImage } from '../provider.ts';
import { endOfQuestion, failureOfStatus } from '../refusal.ts';
import type { PutAnswer } from '../remote-file.ts';
import { ask } from '../vendor-client.ts';
import { jsonBody } from '../wire-values.ts';
import type { FalClient } from './client.ts';
import { failureOfRefusal } from './failures.ts';
import { readUpload, type Upload } from './wire.ts';

/** Asks for a place, and puts the picture there (section 3.6). Nothing is paid for, so both may be done again. */
export async function uploadImage(client: FalClient, image: InputImage): Promise<string> {
  const upload = await initiate(client, image);
  const { status } = await put(client, { url: upload.upload_url, image });
  if (status >= 200 && status <= 299) return upload.file_url;
  const failure = failureOfStatus({ status });
  // Here the picture itself is in the request, so a refusal may be its fault. That of the URL's signature is no word
  // about our key.
  if (isProofOfRefusal(status) && failure.code === 'invalid_input') throw new ProviderUnreachableError(failure);
  throw unreachable(`http_${status}`);
}

async function initiate({ rest }: FalClient, image: InputImage): Promise<Upload> {
  const answer = await ask(rest, {
    method: 'POST',
    path: '/storage/upload/initiate',
    query: { storage_type: 'fal-cdn-v3' },
    body: jsonBody({ content_type: image.contentType, file_name: fileNameOf(image) }),
  });
  const upload = answer.successful ? readUpload(answer.json) : undefined;
  if (!upload) throw endOfQuestion(answer, failureOfRefusal(answer));
  return upload;
}

/** The URL is signed for this one file: the vendor named it, so it is hostile, and our key stays here. */
async function put({ files }: FalClient, { url, image }: { url: string; image: InputImage }): Promise<PutAnswer> {
  try {
    return await files.put({ url, headers: { 'content-type': image.contentType }, bytes: image.bytes });
  } catch (cause) {
    if (cause instanceof HostileUrlError) throw unreachable('hostile_url', { cause });
    if (cause instanceof HttpError) throw unreachable(cause.code, { cause });
    throw cause;
  }
}

function unreachable(vendorCode: string, options?: ErrorOptions): ProviderUnreachableError {
  return new ProviderUnreachableError(failureOf('unreachable', { vendorCode }), options);
}
