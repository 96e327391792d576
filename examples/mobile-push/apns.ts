import { createSign } from 'node:crypto';
import { type ClientHttp2Session, connect } from 'node:http2';
import type { Push, SendPush } from './receiver.ts';

/** Of a key for the Apple Push Notification service, from the developer account. */
export interface ApnsSettings {
  readonly keyId: string;
  readonly teamId: string;
  /** The `.p8` file. */
  readonly privateKey: string;
  /** The app's bundle id. */
  readonly topic: string;
}

/** Apple wants a token to be older than 20 minutes before it is made anew, and younger than an hour. */
const tokenMs = 40 * 60_000;
const answerMs = 5_000;

/** The Apple Push Notification service, which speaks HTTP/2 only: one connection for all pushes. */
export function createApns(
  settings: ApnsSettings,
  baseUrl = 'https://api.push.apple.com',
): SendPush & { close(): void } {
  let session: ClientHttp2Session | undefined;
  let signed: { readonly token: string; readonly until: number } | undefined;

  const send = async (push: Push): Promise<'sent' | 'gone'> => {
    // It goes into the path.
    if (!/^[0-9a-fA-F]{64,200}$/.test(push.token)) return 'gone';
    if (signed === undefined || signed.until < Date.now())
      signed = { token: sign(settings), until: Date.now() + tokenMs };
    const { status, reason } = await post(connected(), { push, topic: settings.topic, jwt: signed.token });
    if (status === 200) return 'sent';
    if (status === 410 || reason === 'BadDeviceToken') return 'gone';
    if (status === 403) signed = undefined;
    throw new Error(`APNs answered ${status} ${reason}`);
  };
  return Object.assign(send, { close: () => session?.close() });

  function connected(): ClientHttp2Session {
    if (session === undefined || session.closed || session.destroyed) {
      const opened = connect(baseUrl);
      // Itself, and not the one that may have taken its place since.
      opened.on('error', () => opened.destroy());
      session = opened;
    }
    return session;
  }
}

interface Order {
  readonly push: Push;
  readonly topic: string;
  readonly jwt: string;
}

function post(session: ClientHttp2Session, { push, topic, jwt }: Order): Promise<{ status: number; reason: string }> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/3/device/${push.token}`,
      authorization: `bearer ${jwt}`,
      'apns-topic': topic,
      'apns-push-type': 'alert',
      'apns-priority': '10',
      // A second push for the same video takes the place of the first.
      'apns-collapse-id': push.videoId,
    });
    let status = 0;
    let text = '';
    stream.setTimeout(answerMs, () => stream.destroy(new Error('APNs did not answer')));
    stream.setEncoding('utf8');
    stream.on('response', (headers) => (status = Number(headers[':status'])));
    stream.on('data', (chunk: string) => (text = (text + chunk).slice(0, 1_000)));
    stream.on('error', reject);
    stream.on('end', () => resolve({ status, reason: /"reason":\s*"(\w+)"/.exec(text)?.[1] ?? '' }));
    stream.end(
      JSON.stringify({
        aps: { alert: { title: push.title, body: push.body }, sound: 'default' },
        video_id: push.videoId,
        status: push.status,
      }),
    );
  });
}

function sign({ keyId, teamId, privateKey }: ApnsSettings): string {
  const parts = [
    { alg: 'ES256', kid: keyId },
    { iss: teamId, iat: Math.floor(Date.now() / 1_000) },
  ];
  const unsigned = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = createSign('sha256')
    .update(unsigned)
    .sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url');
  return `${unsigned}.${signature}`;
}
