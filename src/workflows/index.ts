export { deliverWebhook } from './deliver-webhook.ts';
export { enforceRetention } from './enforce-retention.ts';
export { generateVideo } from './generate-video.ts';
export { overview } from './overview.ts';
