import sharp from 'sharp';
import { expect, test } from 'vitest';
import { prepareImage, UndecodableError } from '../../src/activities/prepare-image.ts';
import {
  animatedWebp,
  claimedJpeg,
  claimedWebp,
  flatPng,
  noisy,
  phonePicture,
  withPngChunk,
} from '../support/pictures.ts';

/** The colour of a point, given as shares of the sides. */
async function colourAt(picture: Buffer, [across, down]: readonly [number, number]): Promise<readonly number[]> {
  const { data, info } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const x = Math.floor(across * (info.width - 1));
  const y = Math.floor(down * (info.height - 1));
  return [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
}

const near = (colour: readonly number[], expected: readonly number[]): boolean =>
  colour.every((value, index) => Math.abs(value - (expected[index] ?? 0)) < 12);

test('a selfie is upright, and nothing of where and with what it was made is left', async () => {
  const raw = await phonePicture();
  expect(raw.includes('secret phone')).toBe(true);
  expect((await sharp(raw).metadata()).orientation).toBe(6);

  const prepared = await prepareImage(raw);
  const metadata = await sharp(prepared).metadata();
  expect(metadata).toMatchObject({ format: 'jpeg', width: 300, height: 400, space: 'srgb' });
  const kept = ['exif', 'xmp', 'iptc', 'icc', 'orientation', 'gainMap', 'comments'] as const;
  expect(kept.filter((name) => metadata[name] !== undefined)).toEqual([]);
  for (const secret of ['secret', 'Spillway', 'Exif', 'GPS', 'http://ns.adobe.com'])
    expect(prepared.includes(secret)).toBe(false);
  expect(near(await colourAt(prepared, [0.5, 0]), [254, 0, 0])).toBe(true);
  expect(near(await colourAt(prepared, [0.5, 1]), [0, 0, 254])).toBe(true);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])('the orientation %i is applied and gone', async (orientation) => {
  const [width, height] = [64, 32];
  const corner = {
    input: { create: { width: 32, height: 16, channels: 3, background: 'red' } },
    left: 0,
    top: 0,
  } as const;
  const upright = sharp({ create: { width, height, channels: 3, background: 'blue' } }).composite([corner]);
  const raw = await upright.withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();
  const prepared = await prepareImage(raw);
  const metadata = await sharp(prepared).metadata();
  const turned = orientation > 4;
  expect(metadata).toMatchObject(turned ? { width: height, height: width } : { width, height });
  expect(metadata.orientation).toBeUndefined();
  const places: readonly (readonly [number, number])[] = [
    [0, 0],
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  expect(near(await colourAt(prepared, places[orientation] ?? [0, 0]), [254, 0, 0])).toBe(true);
});

test('what was hidden behind the end of a picture is gone', async () => {
  const raw = await phonePicture();
  const tails = [
    Buffer.from('<html><script>alert(1)</script></html>'),
    Buffer.from('PK\x03\x04 a zip'),
    Buffer.alloc(100_000, '%PDF-1.7 '),
  ];
  const plain = await prepareImage(raw);
  for (const tail of tails) expect((await prepareImage(Buffer.concat([raw, tail]))).equals(plain)).toBe(true);
});

test('what was hidden inside a PNG is gone', async () => {
  const raw = withPngChunk(
    await noisy(64, 48).png().toBuffer(),
    'tEXt',
    Buffer.from('Comment\0<script>alert(1)</script>'),
  );
  expect((await prepareImage(raw)).includes('script')).toBe(false);
});

test.each([
  { sides: [5_000, 2_500], prepared: [4_096, 2_048] },
  { sides: [2_500, 5_000], prepared: [2_048, 4_096] },
  { sides: [4_096, 100], prepared: [4_096, 100] },
  { sides: [10, 10], prepared: [10, 10] },
] as const)('$sides becomes $prepared: never larger than it was', async ({ sides, prepared }) => {
  const create = { width: sides[0], height: sides[1], channels: 3, background: 'teal' } as const;
  const metadata = await sharp(await prepareImage(await sharp({ create }).png().toBuffer())).metadata();
  expect([metadata.width, metadata.height]).toEqual(prepared);
});

test('what is transparent lies on white', async () => {
  const background = { r: 0, g: 0, b: 0, alpha: 0 };
  const clear = sharp({ create: { width: 32, height: 32, channels: 4, background } });
  for (const raw of [await clear.clone().png().toBuffer(), await clear.clone().webp().toBuffer()]) {
    const prepared = await prepareImage(raw);
    expect((await sharp(prepared).metadata()).hasAlpha).toBe(false);
    expect(await colourAt(prepared, [0.5, 0.5])).toEqual([255, 255, 255]);
  }
});

test('of what moves, the first frame counts', async () => {
  const prepared = await prepareImage(await animatedWebp());
  expect(await sharp(prepared).metadata()).toMatchObject({ width: 32, height: 24, format: 'jpeg' });
  expect(near(await colourAt(prepared, [0.5, 0.5]), [254, 0, 0])).toBe(true);
});

test('colours are those of the web, whatever the camera’s were', async () => {
  const create = { width: 32, height: 32, channels: 3, background: { r: 200, g: 60, b: 40 } } as const;
  const wide = await sharp({ create })
    .withIccProfile('p3')
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
  const prepared = await prepareImage(wide);
  expect((await sharp(prepared).metadata()).icc).toBeUndefined();
  expect(near(await colourAt(prepared, [0.5, 0.5]), [200, 60, 40])).toBe(true);
  const print = await noisy(64, 48).toColourspace('cmyk').jpeg().toBuffer();
  expect(await sharp(await prepareImage(print)).metadata()).toMatchObject({ space: 'srgb', channels: 3 });
});

test('the event loop goes on meanwhile', async () => {
  const raw = await noisy(3_000, 2_000).jpeg().toBuffer();
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns += 1;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  await prepareImage(raw);
  done = true;
  expect(turns).toBeGreaterThan(100);
});

test.each<[string, () => Buffer | Promise<Buffer>]>([
  ['nothing', () => Buffer.alloc(0)],
  ['a text', () => Buffer.from('hello')],
  ['an SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
  ['a GIF', () => noisy(64, 48).gif().toBuffer()],
  ['a JPEG that is cut off', async () => (await noisy(640, 480).jpeg().toBuffer()).subarray(0, 20_000)],
  ['a PNG that is cut off', async () => (await noisy(640, 480).png().toBuffer()).subarray(0, 20_000)],
  ['a WebP that is cut off', async () => (await noisy(640, 480).webp().toBuffer()).subarray(0, 20_000)],
  ['a WebP of other sides than it says', () => claimedWebp(2_000)],
  ['a bomb as a PNG', () => flatPng(16_000)],
  ['a bomb as a JPEG', () => claimedJpeg(16_000)],
  ['a bomb as a WebP', () => claimedWebp(16_000)],
])('no picture can be made of %s', async (_what, make) => {
  await expect(prepareImage(await make())).rejects.toThrow(UndecodableError);
});
