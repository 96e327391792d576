import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { checkVideoUrl, isPublicHost } from '../../src/providers/hostile-url.ts';

const strict = { ownOrigin: 'https://api.vendor.example', allowLoopbackHttp: false };
const simulator = { ownOrigin: 'http://127.0.0.1:4010', allowLoopbackHttp: true };

describe('checkVideoUrl', () => {
  test.each(['https://cdn.vendor.example/a.mp4?sig=x', 'https://8.8.8.8/a.mp4', 'https://[2606:4700::1]/a.mp4'])(
    'passes %s',
    (url) => {
      expect(checkVideoUrl(url, strict).href).toBe(url);
    },
  );

  test.each([
    ['http://cdn.vendor.example/a.mp4', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['data:video/mp4;base64,AAAA', 'scheme'],
    ['not a url', 'unparsable'],
    [`https://cdn.vendor.example/${'a'.repeat(5_000)}`, 'unparsable'],
    ['https://user:pass@cdn.vendor.example/', 'credentials'],
    ['https://localhost/', 'address'],
    ['https://localhost./', 'address'],
    ['https://postgres:5432/', 'address'],
    ['https://metadata.google.internal/', 'address'],
    ['https://127.0.0.1/', 'address'],
    ['https://2130706433/', 'address'],
    ['https://0x7f.1/', 'address'],
    ['https://0177.0.0.1/', 'address'],
    ['https://%31%32%37.0.0.1/', 'address'],
    ['https://169.254.169.254/latest/meta-data/', 'address'],
    ['https://[::1]/', 'address'],
    ['https://[::]/', 'address'],
    ['https://[::ffff:10.0.0.1]/', 'address'],
    ['https://[64:ff9b::127.0.0.1]/', 'address'],
    ['https://[2002:7f00:1::]/', 'address'],
    ['https://[2001::1]/', 'address'],
    ['https://[fe80::1]/', 'address'],
    ['https://[fd00::1]/', 'address'],
    ['https://[ff02::1]/', 'address'],
  ])('refuses %s', (url, rule) => {
    expect(() => checkVideoUrl(url, strict)).toThrow(expect.objectContaining({ name: 'HostileUrlError', rule }));
  });

  test("lets the simulator's own host through, and no neighbour of it", () => {
    expect(checkVideoUrl('http://127.0.0.1:4010/outputs/1.mp4', simulator).port).toBe('4010');
    expect(() => checkVideoUrl('http://127.0.0.1:5432/', simulator)).toThrow('scheme');
    expect(() => checkVideoUrl('https://127.0.0.1:5432/', simulator)).toThrow('address');
    expect(() => checkVideoUrl('http://cdn.vendor.example/a.mp4', simulator)).toThrow('scheme');
  });

  test('a configured private host may serve over https without the switch, but not over http', () => {
    const inside = { ownOrigin: 'https://10.1.2.3', allowLoopbackHttp: false };
    expect(checkVideoUrl('https://10.1.2.3/a.mp4', inside).hostname).toBe('10.1.2.3');
    expect(() => checkVideoUrl('http://10.1.2.3/a.mp4', inside)).toThrow('scheme');
  });
});

describe('isPublicHost', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  const privateStart = fc.constantFrom('10', '127', '0', '192.168', '172.16', '172.31', '169.254', '100.64', '100.127');

  test('no private IPv4 address, in any spelling, mapped or not', () => {
    fc.assert(
      fc.property(privateStart, fc.tuple(byte, byte, byte), (start, rest) => {
        const address = [...start.split('.'), ...rest].slice(0, 4).map(Number);
        const value = address.reduce((sum, part) => sum * 256 + part, 0);
        const octal = address.map((part) => `0${part.toString(8)}`).join('.');
        const spellings = [address.join('.'), String(value), `0x${value.toString(16)}`, octal];
        for (const host of [...spellings, `[::ffff:${address.join('.')}]`, `[64:ff9b::${address.join('.')}]`])
          expect(isPublicHost(new URL(`https://${host}/`).hostname)).toBe(false);
      }),
    );
  });

  test('no IPv6 address outside 2000::/3', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const outside = group.filter((first) => first < 0x2000 || first > 0x3fff);
    fc.assert(
      fc.property(outside, fc.array(group, { minLength: 7, maxLength: 7 }), (first, rest) => {
        const text = [first, ...rest].map((part) => part.toString(16)).join(':');
        expect(isPublicHost(new URL(`https://[${text}]/`).hostname)).toBe(false);
      }),
    );
  });
});
