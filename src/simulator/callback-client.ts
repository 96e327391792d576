import http from 'node:http';
import https from 'node:https';

export interface CallbackClient {
  /** The status of the answer; undefined when there was none. Redirects are not followed. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number | undefined>;
  close(): void;
}

const answerMsMax = 10_000;
const socketsMax = 256;

export function createCallbackClient(): CallbackClient {
  const plain = new http.Agent({ keepAlive: true, maxSockets: socketsMax });
  const secure = new https.Agent({ keepAlive: true, maxSockets: socketsMax });
  const open = new Set<http.ClientRequest>();
  return {
    post: (url, headers, body) =>
      new Promise((resolve) => {
        const [client, agent] = url.startsWith('https:') ? [https, secure] : [http, plain];
        const request = client.request(url, { method: 'POST', agent, headers, timeout: answerMsMax }, (response) => {
          // The status is the answer: what becomes of the body after it is nobody's concern.
          response.on('error', () => undefined).resume();
          resolve(response.statusCode);
        });
        open.add(request);
        request.on('close', () => open.delete(request));
        request.on('timeout', () => request.destroy());
        request.on('error', () => resolve(undefined));
        request.end(body);
      }),
    close: () => {
      for (const request of open) request.destroy();
      plain.destroy();
      secure.destroy();
    },
  };
}
