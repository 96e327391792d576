import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** An honest picture that does not compress to nothing. */
export function noisy(width: number, height: number): Sharp {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
  return sharp({ create: { width, height, channels: 3, background: 'teal', noise } });
}

/** A square of one shade: a whole PNG, of a few kilobytes whatever its sides are. */
export function flatPng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const rows = Buffer.alloc(side * (1 + Math.ceil(side / 8)));
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(rows)), pngChunk('IEND')];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

/** A PNG with one more chunk behind its header. */
export function withPngChunk(png: Buffer, type: string, data: Buffer): Buffer {
  const behindHeader = 8 + 25;
  return Buffer.concat([png.subarray(0, behindHeader), pngChunk(type, data), png.subarray(behindHeader)]);
}

function pngChunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A small JPEG whose header claims other sides. */
export async function claimedJpeg(side: number): Promise<Buffer> {
  const jpeg = await noisy(64, 64).jpeg().toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
  jpeg.writeUInt16BE(side, frame + 5);
  jpeg.writeUInt16BE(side, frame + 7);
  return jpeg;
}

/** A small WebP whose header claims other sides. */
export async function claimedWebp(side: number): Promise<Buffer> {
  const webp = await noisy(64, 64).webp().toBuffer();
  const frame = webp.indexOf('VP8 ') + 8;
  webp.writeUInt16LE(side, frame + 6);
  webp.writeUInt16LE(side, frame + 8);
  return webp;
}

/** Two frames, red and then blue. */
export async function animatedWebp(): Promise<Buffer> {
  const frames = await Promise.all(
    ['red', 'blue'].map((background) =>
      sharp({ create: { width: 32, height: 24, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  );
  return await sharp(frames, { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
}

/** As a phone makes it: turned by its orientation, with the place where it was made. */
export async function phonePicture(width = 400, height = 300): Promise<Buffer> {
  const exif = {
    IFD0: { Make: 'Spillway', Model: 'secret phone', ImageDescription: 'secret words' },
    IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 12/1', GPSLongitudeRef: 'E', GPSLongitude: '13/1 24/1 18/1' },
  };
  // The left half is red, and belongs at the top.
  const left = {
    input: { create: { width: width / 2, height, channels: 3, background: 'red' } },
    left: 0,
    top: 0,
  } as const;
  return await sharp({ create: { width, height, channels: 3, background: 'blue' } })
    .composite([left])
    .withExif(exif)
    .withMetadata({ orientation: 6 })
    .jpeg({ quality: 95 })
    .toBuffer();
}
