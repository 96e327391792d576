import { readFileSync } from 'node:fs';
import { createApns } from './apns.ts';
import { createFcm, type ServiceAccount } from './fcm.ts';
import { createReceiver, type SendPush } from './receiver.ts';

/** Whichever of the two is configured. */
function senders(): Record<string, SendPush> {
  const { FCM_SERVICE_ACCOUNT: account, APNS_KEY: key } = process.env;
  const { APNS_KEY_ID: keyId = '', APNS_TEAM_ID: teamId = '', APNS_TOPIC: topic = '' } = process.env;
  return {
    ...(account ? { android: createFcm(JSON.parse(readFileSync(account, 'utf8')) as ServiceAccount) } : {}),
    ...(key ? { ios: createApns({ keyId, teamId, topic, privateKey: readFileSync(key, 'utf8') }) } : {}),
  };
}

const { SPILLWAY_WEBHOOK_SECRET: secret, PORT: port = '3000' } = process.env;
if (!secret) throw new Error('SPILLWAY_WEBHOOK_SECRET is not set: it is the `secret` that the endpoint was answered with.');

createReceiver({ secret, senders: senders(), log: (line) => console.log(line) }).listen(Number(port), () =>
  console.log(`webhooks are taken at :${port}/spillway`),
);
