import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { isPublicAddress, isPublicHost } from '../../src/providers/public-address.ts';

describe('isPublicAddress', () => {
  test.each(['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '100.128.0.1', '2606:4700::1', '::ffff:8.8.8.8'])(
    'takes %s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  test.each([
    ['nothing', ''],
    ['a name', 'vendor.example'],
    ['a notation that no resolver writes', '127.1'],
    ['another one', '010.0.0.1'],
    ['this host', '0.0.0.0'],
    ['shared space of carriers', '100.64.0.1'],
    ['cloud metadata', '169.254.169.254'],
    ["Azure's host", '168.63.129.16'],
    ["Azure's host, mapped", '::ffff:168.63.129.16'],
    ['documentation', '203.0.113.7'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['loopback', '::1'],
    ['unspecified', '::'],
    ['IPv4-compatible', '::127.0.0.1'],
    ['translated', '::ffff:0:10.0.0.1'],
    ['NAT64', '64:ff9b::8.8.8.8'],
    ['local NAT64', '64:ff9b:1::10.0.0.1'],
    ['Teredo', '2001:0:4136:e378::1'],
    ['6to4', '2002:7f00:1::'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff:fff::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['unique local', 'fd00:ec2::254'],
    ['site-local', 'fec0::1'],
    ['never given out', '4000::1'],
    ['segment routing', '5f00::1'],
  ])('refuses %s: %s', (_what, address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test('takes no IPv6 address outside 2000::/3', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const outside = group.filter((first) => first < 0x2000 || first > 0x3fff);
    fc.assert(
      // The second group is not zero, so that none of them is a mapped IPv4 address.
      fc.property(outside, fc.integer({ min: 1, max: 0xffff }), fc.tuple(group, group), (first, second, rest) => {
        expect(isPublicAddress([first, second, ...rest].map((part) => part.toString(16)).join(':') + '::')).toBe(false);
      }),
    );
  });
});

describe('isPublicHost', () => {
  test.each([
    'vendor.example',
    'vendor.example.',
    'xn--bcher-kva.example',
    'a_b.vendor.example',
    '8.8.8.8',
    '[2606:4700::1]',
  ])('takes %s', (hostname) => {
    expect(isPublicHost(hostname)).toBe(true);
  });

  test.each([
    '',
    '.',
    'postgres',
    'postgres.',
    'localhost',
    'LOCALHOST',
    'localhost..',
    '.localhost',
    'a.localhost',
    'A.LOCALHOST',
    'printer.local',
    'metadata.google.internal',
    'router.lan',
    '1.0.0.127.in-addr.arpa',
    '127.1',
    '0x7f.0x1',
    'a..example',
    `${'a'.repeat(64)}.example`,
    'vendor.example/x',
    '[::1]',
    '::1',
    '10.0.0.1',
  ])('refuses %j', (hostname) => {
    expect(isPublicHost(hostname)).toBe(false);
  });
});
