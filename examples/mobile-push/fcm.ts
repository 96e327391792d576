import { createSign } from 'node:crypto';
import type { Push, SendPush } from './receiver.ts';

/** Of the JSON file of a service account of Firebase. */
export interface ServiceAccount {
  readonly project_id: string;
  readonly client_email: string;
  readonly private_key: string;
  readonly token_uri: string;
}

/** Firebase Cloud Messaging, HTTP v1. */
export function createFcm(account: ServiceAccount, baseUrl = 'https://fcm.googleapis.com'): SendPush {
  let access: { readonly token: string; readonly until: number } | undefined;
  return async (push) => {
    access = access !== undefined && access.until > Date.now() ? access : await signIn(account);
    const response = await fetch(`${baseUrl}/v1/projects/${account.project_id}/messages:send`, {
      method: 'POST',
      headers: { authorization: `Bearer ${access.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(messageOf(push)),
      signal: AbortSignal.timeout(5_000),
    });
    await response.body?.cancel();
    if (response.ok) return 'sent';
    // 404 UNREGISTERED: the token is nobody's any more.
    if (response.status === 404) return 'gone';
    if (response.status === 401) access = undefined;
    throw new Error(`FCM answered ${response.status}`);
  };
}

function messageOf({ token, title, body, videoId, status }: Push) {
  return {
    message: {
      token,
      notification: { title, body },
      data: { video_id: videoId, status },
      android: { priority: 'high', collapse_key: videoId },
    },
  };
}

/** An access token for an hour, for a JWT that the service account signs. */
async function signIn(account: ServiceAccount): Promise<{ token: string; until: number }> {
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: account.client_email,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: account.token_uri,
    iat: now,
    exp: now + 3_600,
  };
  const unsigned = [{ alg: 'RS256', typ: 'JWT' }, claims].map(encoded).join('.');
  const signature = createSign('sha256').update(unsigned).sign(account.private_key, 'base64url');
  const response = await fetch(account.token_uri, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion: `${unsigned}.${signature}`,
    }),
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`Google's token server answered ${response.status}`);
  const { access_token: token, expires_in: seconds } = (await response.json()) as {
    access_token: string;
    expires_in: number;
  };
  return { token, until: Date.now() + (seconds - 60) * 1_000 };
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
