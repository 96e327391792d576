import { limits } from '../domain/limits/limits.ts';
import { isPublicHost } from './public-address.ts';

/** What a URL that somebody else gave us may be. */
export interface UrlPolicy {
  readonly charsMax: number;
  /** Refuses every port but 443. */
  readonly defaultPortOnly: boolean;
  readonly own?: OwnHost;
  /** Lets in every host and plain http: for development, where the other side is on this machine. */
  readonly privateAllowed?: boolean;
}

/** The host that the operator configured. It may be private, because the operator chose it. */
interface OwnHost {
  /** With its port: on a private network, the next port is somebody else's database. */
  readonly host: string;
  /** For the simulator, which serves its files over plain http. */
  readonly plainHttpAllowed: boolean;
}

/** For the URLs that a caller names in a request. */
export const callerUrlPolicy: UrlPolicy = { charsMax: limits.callerUrlCharsMax, defaultPortOnly: true };

/** For the URLs in a vendor's answers: signed, so they are longer, and where its storage lies is its own affair. */
export function vendorUrlPolicy(vendor: {
  readonly baseUrl: string;
  readonly plainHttpAllowed?: boolean | undefined;
}): UrlPolicy {
  const own = { host: new URL(vendor.baseUrl).host, plainHttpAllowed: vendor.plainHttpAllowed ?? false };
  return { charsMax: limits.vendorUrlCharsMax, defaultPortOnly: false, own };
}

export type UrlRule = keyof typeof whatToDo;

const whatToDo = {
  length: 'use a shorter one',
  unparsable: 'use an absolute one, with its scheme and host',
  scheme: 'use https',
  credentials: 'leave out the user name and the password',
  port: 'leave out the port',
  address: 'use a host on the open internet',
} as const;

/**
 * The URL is refused: always will be, when its text shows why; until its name means something else, when only the
 * connection did. It names the rule and not the URL, which may hold a signature.
 */
export class HostileUrlError extends Error {
  override name = 'HostileUrlError';
  readonly rule: UrlRule;

  constructor(rule: UrlRule) {
    super(`URL refused by the rule '${rule}': ${whatToDo[rule]}`);
    this.rule = rule;
  }
}

/**
 * Checks what the text of a URL shows. Pass on the result's `href`, never the text: other parsers may see another host
 * in its backslashes and line breaks. A name that resolves to a private address passes here; only the check at connect
 * time stops that (`createSafeConnector`).
 */
export function checkUrl(text: string, policy: UrlPolicy): URL {
  const url = parse(text, policy.charsMax);
  const own = url.host === policy.own?.host;
  const plainHttpAllowed = policy.privateAllowed === true || (own && policy.own.plainHttpAllowed);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && plainHttpAllowed)) throw new HostileUrlError('scheme');
  if (url.username || url.password) throw new HostileUrlError('credentials');
  if (own || policy.privateAllowed) return url;
  if (policy.defaultPortOnly && url.port) throw new HostileUrlError('port');
  if (!isPublicHost(url.hostname)) throw new HostileUrlError('address');
  return url;
}

function parse(text: string, charsMax: number): URL {
  if (text.length > charsMax) throw new HostileUrlError('length');
  if (!URL.canParse(text)) throw new HostileUrlError('unparsable');
  const url = new URL(text);
  // Escapes make it longer, and it is the longer one that travels.
  if (url.href.length > charsMax) throw new HostileUrlError('length');
  return url;
}
