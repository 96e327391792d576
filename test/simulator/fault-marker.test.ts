import { describe, expect, test } from 'vitest';
import { parseMarkers } from '../../src/simulator/fault-marker.ts';

function only(prompt: string) {
  const parsed = parseMarkers(prompt);
  return parsed.kind === 'markers' ? parsed.markers[0] : undefined;
}

describe('a marker in a prompt', () => {
  test('may stand anywhere, and there may be several', () => {
    const parsed = parseMarkers('a [sim:slow=3] cat [sim:callback-lost]');
    expect(parsed).toMatchObject({
      kind: 'markers',
      markers: [{ fault: { kind: 'slow', factor: 3 } }, { fault: { kind: 'callback-lost' } }],
    });
  });

  test.each([
    ['[sim:submit-429]', { fault: { kind: 'submit-429', retryAfterSeconds: 1 } }],
    ['[sim:submit-429=7]', { fault: { kind: 'submit-429', retryAfterSeconds: 7 } }],
    ['[sim:failed@wan-2.6]', { place: 'wan-2.6', fault: { kind: 'failed', code: 1405 } }],
    ['[sim:failed@wan-2.6=1402]', { place: 'wan-2.6', fault: { kind: 'failed', code: 1402 } }],
    ['[sim:submit-slow*2=50]', { times: 2, fault: { kind: 'submit-slow', delayMs: 50 } }],
    ['[sim:stuck@alibaba/wan-2.6*3]', { place: 'alibaba/wan-2.6', times: 3, fault: { kind: 'stuck' } }],
    ['[sim:stuck*3@kling=900]', { place: 'kling', times: 3, fault: { kind: 'stuck', endsAfterMs: 900 } }],
    ['[sim:callback-forged=only]', { fault: { kind: 'callback-forged', order: 'only' } }],
    ['[sim:callback-wrong-body=other-id]', { fault: { kind: 'callback-wrong-body', body: 'other-id' } }],
    ['[sim:callback-duplicated]', { fault: { kind: 'callback-duplicated', copies: 2 } }],
  ])('%s', (prompt, expected) => {
    expect(only(prompt)).toEqual({ text: prompt, ...expected });
  });

  test.each([
    '[sim:]',
    '[sim:nonsense]',
    '[sim:slow=fast]',
    '[sim:moderation=1]',
    '[sim:slow*0]',
    '[sim:slow*many]',
    '[sim:callback-forged=last]',
  ])('is refused when nobody understands it: %s', (text) => {
    expect(parseMarkers(`a cat ${text}`)).toEqual({ kind: 'unreadable', text });
  });

  test('other brackets are left alone', () => {
    expect(parseMarkers('[simple] [sim] cat')).toEqual({ kind: 'markers', markers: [] });
  });
});
