import { expect, test } from 'vitest';
import { signCallback } from '../../../src/simulator/wavespeed/signature.ts';

test.each([
  {
    secret: 'whsec_e9EE3BdyXSxcB4ZyZUKjQUEoQX4sF9P1+eMpb/KluCM=',
    body: '{"id":"task-1","status":"completed"}',
    header: 'v3,eadf9ec589dfbc4e35e7de13f34beaf446a279abba81804df2ef8249e83e5325',
  },
  {
    secret: 'whsec_dGVzdC1zZWNyZXQtZm9yLXVuaXQtdGVzdHMtb25seSE=',
    body: '{"id":"task-1","status":"completed","outputs":["https://example.com/v.mp4"]}',
    header: 'v3,09e740e168f873acf176277f4989d28445b8887a49ad2d44aae043a0aeb5c851',
  },
])('signs as the documents say: $secret', ({ secret, body, header }) => {
  expect(signCallback({ id: 'task-1', timestamp: '1758798328', body, secret })).toBe(header);
});
