export type VideoType = 'video/mp4' | 'video/quicktime' | 'video/webm';

/** Bytes that `videoTypeOf` looks at. */
export const videoHeadBytes = 12;

/** What the first bytes of a file say that it is, whatever its sender says. Undefined: nothing that plays. */
export function videoTypeOf(bytes: Uint8Array): VideoType | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, videoHeadBytes));
  if (head.startsWith('\x1a\x45\xdf\xa3')) return 'video/webm';
  if (head.slice(4, 8) !== 'ftyp') return undefined;
  const brand = head.slice(8);
  if (isStillOrSound.test(brand)) return undefined;
  return brand === 'qt  ' ? 'video/quicktime' : 'video/mp4';
}

/** Brands of the same container that hold pictures, or sound alone. */
const isStillOrSound = /^(hei[cxms]|hev[cxms]|mif1|msf1|avi[fs]|crx |M4[ABP] )/;
