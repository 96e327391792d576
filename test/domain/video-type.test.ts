import { expect, test } from 'vitest';
import { videoTypeOf } from '../../src/domain/video-type.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

test.each([
  { what: 'MP4', head: '\0\0\0\x20ftypisom\0\0\x02\0', type: 'video/mp4' },
  { what: 'MP4 of another brand', head: '\0\0\0\x18ftypmp42', type: 'video/mp4' },
  { what: 'QuickTime', head: '\0\0\0\x14ftypqt  ', type: 'video/quicktime' },
  { what: 'WebM', head: '\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81', type: 'video/webm' },
])('$what is a video', ({ head, type }) => {
  expect(videoTypeOf(bytes(head))).toBe(type);
});

test.each([
  ['nothing', ''],
  ['too little', '\0\0\0\x20fty'],
  ['HTML', '<!doctype html><html>'],
  ['JSON', '{"error":"gone"}'],
  ['XML', '<?xml version="1.0"?><Error>'],
  ['JPEG', 'ÿØÿà\0\x10JFIF\0\x01'],
  ['PNG', '\x89PNG\r\n\x1a\n\0\0\0\r'],
  ['GIF', 'GIF89a\x01\0\x01\0\0\0'],
  ['HEIC', '\0\0\0\x18ftypheic'],
  ['AVIF', '\0\0\0\x18ftypavif'],
  ['sound in the same container', '\0\0\0\x18ftypM4A '],
  ['a box of another name', '\0\0\0\x18moovisom'],
  ['the mark in another place', 'ftypisom\0\0\0\0'],
  ['a program', '\x7fELF\x02\x01\x01\0\0\0\0\0'],
])('%s is none', (_, head) => {
  expect(videoTypeOf(bytes(head))).toBeUndefined();
});
