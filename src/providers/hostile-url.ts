/** What a provider's output URLs may be. */
export interface VideoUrlPolicy {
  /** The provider's configured origin. Its own host may be private, because the operator chose it. */
  readonly ownOrigin: string;
  /** For the simulator: lets the configured host serve its outputs over plain http. */
  readonly allowLoopbackHttp: boolean;
}

/** The URL is refused, and always will be. It names the rule and not the URL, which may hold a signature. */
export class HostileUrlError extends Error {
  override name = 'HostileUrlError';
  readonly rule: 'unparsable' | 'scheme' | 'credentials' | 'address';

  constructor(rule: HostileUrlError['rule']) {
    super(`output URL refused: ${rule}`);
    this.rule = rule;
  }
}

const urlCharsMax = 4096;

/**
 * Checks what the text of a URL shows. A name that resolves to a private address passes: only a check at connect time
 * can stop that (reference on reliability, section 2.4).
 */
export function checkVideoUrl(text: string, policy: VideoUrlPolicy): URL {
  if (text.length > urlCharsMax || !URL.canParse(text)) throw new HostileUrlError('unparsable');
  const url = new URL(text);
  // Host and port: on a private network, the next port is somebody else's database.
  const own = url.host === new URL(policy.ownOrigin).host;
  const plainHttpAllowed = own && policy.allowLoopbackHttp;
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && plainHttpAllowed)) throw new HostileUrlError('scheme');
  if (url.username || url.password) throw new HostileUrlError('credentials');
  if (!own && !isPublicHost(url.hostname)) throw new HostileUrlError('address');
  return url;
}

/** Whether a host, as the WHATWG parser writes it, can be on the open internet as far as its text tells. */
export function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith('[')) return isPublicIpv6(hostname.slice(1, -1));
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return isPublicIpv4(hostname);
  return isPublicName(hostname.replace(/\.$/, ''));
}

function isPublicName(name: string): boolean {
  // A name without a dot is a neighbour in the same network, such as `postgres`.
  return name.includes('.') && !/\.(localhost|local|internal|arpa)$/.test(name);
}

function isPublicIpv4(address: string): boolean {
  const value = ipv4Value(address);
  return !reservedIpv4.some(([base, bits]) => {
    const size = 2 ** (32 - bits);
    return Math.floor(value / size) === Math.floor(ipv4Value(base) / size);
  });
}

function ipv4Value(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

/** Only 2000::/3 is global unicast; the parser has already turned every mapped or embedded form into hex groups. */
function isPublicIpv6(address: string): boolean {
  const [first = 0, second = 0] = address.split(':', 2).map((group) => Number.parseInt(group || '0', 16));
  if (first < 0x2000 || first > 0x3fff) return false;
  if (first === 0x2001) return second >= 0x0200 && second !== 0x0db8; // Protocol assignments, Teredo, documentation.
  return first !== 0x2002 && !(first === 0x3fff && second < 0x1000); // 6to4 hides an IPv4 address; documentation.
}

/** The special-purpose registry of IANA (RFC 6890 and later entries), with multicast and the reserved top. */
const reservedIpv4: readonly (readonly [base: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
