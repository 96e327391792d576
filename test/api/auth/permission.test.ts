import { v7 as uuidv7 } from 'uuid';
import { describe, expect, test } from 'vitest';
import type { Caller } from '../../../src/api/auth/caller.ts';
import { refuseUnlessAllowed } from '../../../src/api/auth/permission.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import { noTenantLimits, type Scope } from '../../../src/domain/tenant.ts';

const callerWith = (scopes: readonly Scope[], jobId: string | null = null): Caller => ({
  tenant: 'acme',
  keyId: null,
  scopes,
  jobId,
  limits: noTenantLimits,
});

function verdict(caller: Caller, line: string): string {
  const [method = '', path = ''] = line.split(' ');
  try {
    refuseUnlessAllowed(caller, { method, path });
    return 'allowed';
  } catch (error) {
    return error instanceof Problem ? error.kind : 'thrown';
  }
}

describe('a key does what its scopes say', () => {
  const lines: readonly (readonly [string, Scope])[] = [
    ['GET /v1/videos', 'read'],
    ['HEAD /v1/videos/video_1', 'read'],
    ['GET /v1/usage', 'read'],
    ['GET /v1/events', 'read'],
    ['POST /v1/videos', 'write'],
    ['POST /v1/uploads', 'write'],
    ['DELETE /v1/videos/video_1', 'write'],
    ['PATCH /v1/anything', 'write'],
    ['GET /v1/webhook_endpoints', 'webhooks'],
    ['POST /v1/webhook_endpoints', 'webhooks'],
    ['POST /V1/Webhook_Endpoints/whe_1/rotate_secret', 'webhooks'],
    ['GET /v1/webhook_deliveries/1', 'webhooks'],
    ['POST /v1/webhook_secret/rotate', 'webhooks'],
    ['GET /v1/admin/stuck', 'admin'],
    ['PUT /V1/ADMIN/pauses/pool/x', 'admin'],
    ['GET /v1/admin', 'admin'],
    ['GET /v1/administration', 'read'],
  ];
  test.each(lines)('%s needs %s', (line, scope) => {
    expect(verdict(callerWith([scope]), line)).toBe('allowed');
    const others = (['read', 'write', 'webhooks', 'admin'] as const).filter((other) => other !== scope);
    expect(verdict(callerWith(others), line)).toBe('insufficient_scope');
  });
});

describe('a client token reads one video', () => {
  const id = `video_${uuidv7()}`;
  const other = `video_${uuidv7()}`;
  const client = callerWith(['read'], id);

  test.each([
    `GET /v1/videos/${id}`,
    `HEAD /v1/videos/${id}`,
    `GET /v1/videos/${id}/events`,
    `GET /v1/videos/${id}/content`,
    'GET /v1/stream',
  ])('%s', (line) => expect(verdict(client, line)).toBe('allowed'));

  test.each([
    `GET /v1/videos/${other}`,
    `GET /v1/videos/${other}/content`,
    `GET /v1/videos/${id.toUpperCase()}`,
    'GET /v1/videos/x',
  ])('and no other: %s', (line) => expect(verdict(client, line)).toBe('video_not_found'));

  test.each([
    'GET /v1/videos',
    'GET /v1/events',
    'GET /v1/models',
    'GET /v1/usage',
    'GET /v1/webhook_endpoints',
    `GET /v1/videos/${id}/timeline`,
    `GET /v1/videos/${id}/`,
    `GET /v1/videos/${id}/content/`,
    `GET /v1/videos/${id}/events/more`,
    `GET //v1/videos/${id}`,
    `GET /V1/videos/${id}`,
    `GET /v1/videos/${other}/../${id}`,
    'GET /v1/stream/',
    'POST /v1/videos',
    'POST /v1/uploads',
    `POST /v1/videos/${id}`,
    `POST /v1/videos/${id}/cancel`,
    `DELETE /v1/videos/${id}`,
    `OPTIONS /v1/videos/${id}`,
  ])('and does nothing else: %s', (line) => expect(verdict(client, line)).toBe('insufficient_scope'));
});
