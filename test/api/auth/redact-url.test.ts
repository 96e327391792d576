import { expect, test } from 'vitest';
import { redactUrl } from '../../../src/api/auth/redact-url.ts';

test.each([
  ['/v1/videos/video_1?token=spw_job_secret', '/v1/videos/video_1?token=[hidden]'],
  ['/v1/stream?video=video_1&token=secret&after=x', '/v1/stream?video=video_1&token=[hidden]&after=x'],
  ['/v1/stream?TOKEN=secret', '/v1/stream?TOKEN=[hidden]'],
  ['/x?token=one&token=two', '/x?token=[hidden]&token=[hidden]'],
  ['/v1/uploads/upload_1?expires=1&signature=secret', '/v1/uploads/upload_1?expires=1&signature=[hidden]'],
  ['/v1/callbacks/fal/video_1.1/secret', '/v1/callbacks/fal/video_1.1/[hidden]'],
  ['/v1/callbacks/fal/video_1.1/secret?a=b', '/v1/callbacks/fal/video_1.1/[hidden]?a=b'],
  [
    'https://s3.test/key?X-Amz-Signature=secret&X-Amz-Credential=c',
    'https://s3.test/key?X-Amz-Signature=[hidden]&X-Amz-Credential=[hidden]',
  ],
])('%s is written as %s', (url, written) => {
  expect(redactUrl(url)).toBe(written);
});

test.each(['/v1/videos/video_1', '/v1/videos?after=video_1&limit=2', '/v1/videos?user=tokens', '/'])(
  '%s is written as it is',
  (url) => expect(redactUrl(url)).toBe(url),
);
