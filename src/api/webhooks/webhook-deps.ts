import { callerUrlPolicy, type UrlPolicy } from '../../providers/hostile-url.ts';
import { createSecretBox, type SecretBox } from '../../webhooks/secret-box.ts';
import type { PostWebhook } from '../../webhooks/try-delivery.ts';

/** What the API needs to keep endpoints, and to make test calls. */
export interface WebhookDeps {
  readonly box: SecretBox;
  readonly urlPolicy: UrlPolicy;
  readonly post: PostWebhook;
}

/** Where nobody has said otherwise: nothing is sealed, and nobody is called. */
export const noWebhooks: WebhookDeps = {
  box: createSecretBox([]),
  urlPolicy: callerUrlPolicy,
  post: async () => ({ kind: 'no_answer', code: 'not_configured' }),
};
