import sharp from 'sharp';
import { expect, test } from 'vitest';
import { checkImage, inspectImage } from '../../../src/api/input/check-image.ts';
import { Problem } from '../../../src/api/problems/problem.ts';
import {
  animatedWebp,
  claimedJpeg,
  claimedWebp,
  flatPng,
  noisy,
  phonePicture,
  withPngChunk,
} from '../../support/pictures.ts';

const html = Buffer.from('<html><script>alert(1)</script></html>');
const behind = (hex: string, rest: Buffer) => Buffer.concat([Buffer.from(hex, 'hex'), rest]);
const png = () => noisy(64, 48).png().toBuffer();

test.each<[string, () => Buffer | Promise<Buffer>, string]>([
  ['a JPEG', () => noisy(64, 48).jpeg().toBuffer(), 'image/jpeg'],
  ['a progressive JPEG', () => noisy(64, 48).jpeg({ progressive: true }).toBuffer(), 'image/jpeg'],
  ['a JPEG for print', () => noisy(64, 48).toColourspace('cmyk').jpeg().toBuffer(), 'image/jpeg'],
  ['a picture of a phone', () => phonePicture(), 'image/jpeg'],
  ['a JPEG with a page behind it', async () => Buffer.concat([await phonePicture(), html]), 'image/jpeg'],
  ['a PNG', png, 'image/png'],
  ['a PNG of 16 bits', () => noisy(64, 48).toColourspace('rgb16').png().toBuffer(), 'image/png'],
  ['a PNG that moves', () => withPngChunk(flatPng(64), 'acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])), 'image/png'],
  ['a WebP', () => noisy(64, 48).webp().toBuffer(), 'image/webp'],
  ['a WebP that moves', animatedWebp, 'image/webp'],
  ['the most pixels', () => flatPng(6_324), 'image/png'],
])('taken: %s', async (_what, make, contentType) => {
  expect(await inspectImage(await make())).toEqual({ contentType });
});

test.each<[string, () => Buffer | Promise<Buffer>, string]>([
  ['nothing', () => Buffer.alloc(0), 'not_a_picture'],
  ['a byte', () => Buffer.from([0xff]), 'not_a_picture'],
  ['a page', () => html, 'not_a_picture'],
  ['a GIF', () => noisy(64, 48).gif().toBuffer(), 'not_a_picture'],
  ['a GIF that is a page', () => Buffer.concat([Buffer.from('GIF89a'), html]), 'not_a_picture'],
  ['an SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), 'not_a_picture'],
  ['an SVG with a prologue', () => Buffer.from('<?xml version="1.0"?><svg width="9" height="9"/>'), 'not_a_picture'],
  ['a TIFF', () => noisy(64, 48).tiff().toBuffer(), 'not_a_picture'],
  ['an AVIF', () => noisy(64, 48).avif().toBuffer(), 'not_a_picture'],
  ['an HEIC', () => behind('00000018667479706865696300000000', Buffer.alloc(64)), 'not_a_picture'],
  ['a BMP', () => behind('424d', Buffer.alloc(64)), 'not_a_picture'],
  ['a PDF', () => Buffer.from('%PDF-1.7'), 'not_a_picture'],
  ['a ZIP', () => behind('504b0304', Buffer.alloc(64)), 'not_a_picture'],
  ['a sound', () => Buffer.from('RIFF\0\0\0\0WAVEfmt '), 'not_a_picture'],
  ['a picture behind a line break', async () => Buffer.concat([Buffer.from('\n'), await png()]), 'not_a_picture'],
  ['the first bytes of a JPEG', () => Buffer.from('ffd8ffe000104a464946', 'hex'), 'damaged'],
  ['a script behind the first bytes', () => behind('ffd8ff', Buffer.from('<?php system(1) ?>')), 'damaged'],
  ['a page behind the first bytes', () => behind('89504e470d0a1a0a', html), 'damaged'],
  ['a page in the frame of a WebP', () => Buffer.concat([Buffer.from('RIFF\x30\0\0\0WEBP'), html]), 'damaged'],
  ['a cut header of a PNG', async () => (await png()).subarray(0, 20), 'damaged'],
  ['a cut header of a JPEG', async () => (await phonePicture()).subarray(0, 200), 'damaged'],
  ['a cut header of a WebP', async () => (await animatedWebp()).subarray(0, 24), 'damaged'],
  ['a PNG without sides', () => flatPng(0), 'damaged'],
  ['a row of pixels too many', () => flatPng(6_325), 'too_many_pixels'],
  ['a bomb as a PNG', () => flatPng(16_000), 'too_many_pixels'],
  ['a bomb as a JPEG', () => claimedJpeg(16_000), 'too_many_pixels'],
  ['a bomb as a WebP', () => claimedWebp(16_000), 'too_many_pixels'],
  ['the largest bomb as a JPEG', () => claimedJpeg(65_500), 'too_many_pixels'],
  ['too many bytes', () => Buffer.alloc(10 * 1024 * 1024 + 1, 0xff), 'too_large'],
])('refused: %s', async (_what, make, fault) => {
  expect(await inspectImage(await make())).toBe(fault);
});

test('what is refused is told in a sentence that says what to do, and in nothing of the library’s', async () => {
  const problem = await checkImage(flatPng(16_000)).catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Problem);
  expect(problem).toMatchObject({ kind: 'invalid_image', detail: { errors: [{ pointer: '/input_reference' }] } });
  expect(JSON.stringify(problem)).toContain('The picture may have 40 million pixels. Scale it down.');
});

test.each<[string, () => Promise<Buffer>, string]>([
  ['a JPEG', () => noisy(640, 480).jpeg().toBuffer(), 'image/jpeg'],
  ['a PNG', () => noisy(640, 480).png().toBuffer(), 'image/png'],
])('nothing is decoded to check it: %s of which half is missing is taken', async (_what, make, contentType) => {
  const whole = await make();
  const half = whole.subarray(0, whole.length >> 1);
  await expect(sharp(half, { failOn: 'error' }).raw().toBuffer()).rejects.toThrow(/premature end|png read error/i);
  expect(await inspectImage(half)).toEqual({ contentType });
});

test.each<[string, () => Buffer | Promise<Buffer>]>([
  ['a PNG', () => flatPng(16_000)],
  ['a JPEG', () => claimedJpeg(16_000)],
  ['a WebP', () => claimedWebp(16_000)],
])('a bomb is refused by its header: its pixels are never looked at, in %s', async (_what, make) => {
  const bomb = await make();
  expect(await inspectImage(bomb.fill(0, bomb.length >> 1))).toBe('too_many_pixels');
});
