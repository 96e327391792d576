import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  callerUrlPolicy,
  checkUrl,
  HostileUrlError,
  type UrlRule,
  vendorUrlPolicy,
} from '../../src/providers/hostile-url.ts';

const vendor = vendorUrlPolicy({ baseUrl: 'https://api.vendor.example/v1' });
const simulator = vendorUrlPolicy({ baseUrl: 'http://127.0.0.1:4010/wavespeed', plainHttpAllowed: true });

describe('checkUrl', () => {
  test.each([
    'https://cdn.vendor.example/a.mp4?sig=x',
    'https://cdn.vendor.example:8443/a.mp4',
    'https://8.8.8.8/a.mp4',
    'https://[2606:4700::1]/a.mp4',
  ])('passes %s', (url) => {
    expect(checkUrl(url, vendor).href).toBe(url);
  });

  test.each([
    ['http://cdn.vendor.example/a.mp4', 'scheme'],
    ['file:///etc/passwd', 'scheme'],
    ['gopher://cdn.vendor.example/', 'scheme'],
    ['data:video/mp4;base64,AAAA', 'scheme'],
    ['javascript:alert(1)', 'scheme'],
    ['not a url', 'unparsable'],
    ['//cdn.vendor.example/a.mp4', 'unparsable'],
    ['https://', 'unparsable'],
    ['https://[fe80::1%25eth0]/', 'unparsable'],
    ['https://1.2.3.4.5/', 'unparsable'],
    ['https://256.0.0.1/', 'unparsable'],
    ['https://user:pass@cdn.vendor.example/', 'credentials'],
    ['https://user@cdn.vendor.example/', 'credentials'],
    ['https://cdn.vendor.example@127.0.0.1/', 'credentials'],
    ['https://postgres:5432/', 'address'],
    ['https://LOCALHOST/', 'address'],
    ['https://localhost../', 'address'],
    ['https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/', 'address'],
    ['https:127.0.0.1', 'address'],
    ['https:\\\\127.0.0.1\\', 'address'],
    ['ht\ntps://127.0.0.1/', 'address'],
    ['https://127.0.0.1/', 'address'],
    ['https://169.254.169.254/latest/meta-data/', 'address'],
    ['https://[::1]/', 'address'],
  ])('refuses %j for its %s', (url, rule) => {
    expect(() => checkUrl(url, vendor)).toThrow(expect.objectContaining({ name: 'HostileUrlError', rule }));
  });

  test("a vendor's URL may be longer than a caller's, and neither without end", () => {
    const ofLength = (chars: number) => `https://cdn.example/${'a'.repeat(chars - 20)}`;
    expect(checkUrl(ofLength(4_096), vendor).href).toHaveLength(4_096);
    expect(() => checkUrl(ofLength(4_097), vendor)).toThrow('length');
    expect(checkUrl(ofLength(2_048), callerUrlPolicy).href).toHaveLength(2_048);
    expect(() => checkUrl(ofLength(2_049), callerUrlPolicy)).toThrow('length');
    const growing = `https://cdn.example/${'ü'.repeat(1_000)}`;
    expect(() => checkUrl(growing, callerUrlPolicy)).toThrow('length');
    const shrinking = `https://cdn.example/${'\n'.repeat(2_048)}`;
    expect(() => checkUrl(shrinking, callerUrlPolicy)).toThrow('length');
  });

  test("a caller's URL has no port but the default one", () => {
    expect(checkUrl('https://cdn.example:443/a.png', callerUrlPolicy).href).toBe('https://cdn.example/a.png');
    for (const port of [22, 25, 80, 5432, 7233, 8443])
      expect(() => checkUrl(`https://cdn.example:${port}/`, callerUrlPolicy)).toThrow('port');
  });

  test('what is passed on shows one host to every parser', () => {
    const { href } = checkUrl('https://cdn.example\\@127.0.0.1/\ta.png', callerUrlPolicy);
    expect(href).toBe('https://cdn.example/@127.0.0.1/a.png');
  });

  test("lets the simulator's own host through, and no neighbour of it", () => {
    expect(checkUrl('http://127.0.0.1:4010/outputs/1.mp4', simulator).port).toBe('4010');
    expect(() => checkUrl('http://127.0.0.1:5432/', simulator)).toThrow('scheme');
    expect(() => checkUrl('https://127.0.0.1:5432/', simulator)).toThrow('address');
    expect(() => checkUrl('http://user@127.0.0.1:4010/', simulator)).toThrow('credentials');
    expect(() => checkUrl('http://cdn.vendor.example/a.mp4', simulator)).toThrow('scheme');
  });

  test('a configured private host may serve over https without the switch, but not over http', () => {
    const inside = vendorUrlPolicy({ baseUrl: 'https://10.1.2.3' });
    expect(checkUrl('https://10.1.2.3/a.mp4', inside).hostname).toBe('10.1.2.3');
    expect(() => checkUrl('http://10.1.2.3/a.mp4', inside)).toThrow('scheme');
  });

  test('an error says what to do, and nothing of the URL', () => {
    const refused = 'https://127.0.0.1/?signature=secret';
    expect(() => checkUrl(refused, vendor)).toThrow(
      /^URL refused by the rule 'address': use a host on the open internet$/,
    );
  });
});

describe('every spelling of an IPv4 address', () => {
  const numeral = fc.constantFrom('decimal', 'hex', 'padded hex', 'octal');
  const spelling = fc.record({
    parts: fc.integer({ min: 1, max: 4 }),
    numerals: fc.tuple(numeral, numeral, numeral, numeral),
    disguise: fc.constantFrom('none', 'upper case', 'percent', 'full width', 'ideographic dots'),
    trailingDot: fc.boolean(),
  });

  test('is refused when the address is private', () => {
    fc.assert(
      fc.property(special, spelling, (address, chosen) => {
        expect(ruleThatRefuses(`https://${spell(address, chosen)}/`)).toBe('address');
      }),
      { numRuns: 2_000 },
    );
  });

  test('is let through when it is public, and comes out plain', () => {
    fc.assert(
      fc.property(open, spelling, (address, chosen) => {
        expect(checkUrl(`https://${spell(address, chosen)}/`, vendor).hostname).toBe(dotted(address));
      }),
      { numRuns: 500 },
    );
  });
});

describe('every IPv6 address', () => {
  const upper = fc.boolean();

  test('that holds a private IPv4 address is refused', () => {
    const wrap = fc.constantFrom<(dotted: string, hex: string) => string>(
      (four) => `::ffff:${four}`,
      (_four, hex) => `::ffff:${hex}`,
      (_four, hex) => `0:0:0:0:0:ffff:${hex}`,
      (four) => `0000:0000:0000:0000:0000:FFFF:${four}`,
      (four) => `::${four}`,
      (four) => `::ffff:0:${four}`,
      (four) => `64:ff9b::${four}`,
      (four) => `64:ff9b:1::${four}`,
      (_four, hex) => `2002:${hex}::1`,
      (_four, hex) => `2001:0:${hex}::1`,
    );
    fc.assert(
      fc.property(special, wrap, upper, (address, wrapped, upper) => {
        const text = wrapped(dotted(address), `${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}`);
        expect(ruleThatRefuses(`https://[${upper ? text.toUpperCase() : text}]/`)).toBe('address');
      }),
      { numRuns: 1_000 },
    );
  });

  test('of the blocks that registries give out is let through', () => {
    const group = fc.integer({ min: 0x10, max: 0xffff });
    const first = fc.constantFrom(0x2400, 0x2600, 0x2606, 0x2800, 0x2a00, 0x2a03, 0x2c0f);
    fc.assert(
      fc.property(first, fc.array(group, { minLength: 7, maxLength: 7 }), upper, (first, rest, upper) => {
        const text = [first, ...rest].map((part) => part.toString(16)).join(':');
        expect(checkUrl(`https://[${upper ? text.toUpperCase() : text}]/`, vendor).hostname).toBe(`[${text}]`);
      }),
    );
  });
});

function ruleThatRefuses(url: string): UrlRule | 'none' {
  try {
    checkUrl(url, vendor);
    return 'none';
  } catch (error) {
    if (error instanceof HostileUrlError) return error.rule;
    throw error;
  }
}

/** The special-purpose registry of IANA (RFC 6890 and later entries), written down apart from the code under test. */
const reserved: readonly (readonly [base: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['168.63.129.16', 32],
];

const special = fc
  .constantFrom(...reserved)
  .chain(([base, bits]) => fc.integer({ min: 0, max: 2 ** (32 - bits) - 1 }).map((offset) => valueOf(base) + offset));

const open = fc
  .integer({ min: 0, max: 2 ** 32 - 1 })
  .filter(
    (value) => !reserved.some(([base, bits]) => value >= valueOf(base) && value < valueOf(base) + 2 ** (32 - bits)),
  );

function valueOf(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

interface Spelling {
  readonly parts: number;
  readonly numerals: readonly string[];
  readonly disguise: string;
  readonly trailingDot: boolean;
}

/** As the parsers of old read it: the last part stands for all bytes that the others leave. */
function spell(address: number, { parts, numerals, disguise, trailingDot }: Spelling): string {
  const heads = dotted(address)
    .split('.')
    .slice(0, parts - 1)
    .map(Number);
  const tail = address % 256 ** (5 - parts);
  const text = [...heads, tail].map((part, index) => numeralOf(part, numerals[index])).join('.');
  return disguised(text + (trailingDot ? '.' : ''), disguise);
}

function numeralOf(part: number, numeral: string | undefined): string {
  if (numeral === 'hex') return `0x${part.toString(16)}`;
  if (numeral === 'padded hex') return `0x${part.toString(16).padStart(12, '0')}`;
  return numeral === 'octal' ? `0${part.toString(8)}` : String(part);
}

function disguised(text: string, disguise: string): string {
  if (disguise === 'upper case') return text.toUpperCase();
  if (disguise === 'percent') return text.replaceAll(/./g, (char) => `%${char.charCodeAt(0).toString(16)}`);
  if (disguise === 'full width')
    return text.replaceAll(/[^.]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0));
  return disguise === 'ideographic dots' ? text.replaceAll('.', '\u3002') : text;
}
