import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { choosePorts, isListening } from '../../src/embedded/ports.ts';

let directory: string;
let memory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-ports-'));
  memory = join(directory, 'ports.json');
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function occupy(port: number) {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

test('each name gets a port of its own, free to use', async () => {
  const ports = await choosePorts(memory, ['one', 'two']);
  expect(ports['one']).not.toBe(ports['two']);
  await expect(isListening('127.0.0.1', ports['one'] ?? 0)).resolves.toBe(false);
});

test('the same ports come again while they are free', async () => {
  const first = await choosePorts(memory, ['one', 'two']);
  await expect(choosePorts(memory, ['one', 'two'])).resolves.toEqual(first);
});

test('a remembered port that is taken is replaced, the other one kept', async () => {
  const first = await choosePorts(memory, ['one', 'two']);
  const server = await occupy(first['one'] ?? 0);
  const second = await choosePorts(memory, ['one', 'two']);
  server.close();
  expect(second['one']).not.toBe(first['one']);
  expect(second['two']).toBe(first['two']);
});

test('a bound is kept, also by a port that comes again', async () => {
  const wishes = ['one', { name: 'low', portMax: 32_767 }];
  const first = await choosePorts(memory, wishes);
  expect(first['low']).toBeLessThanOrEqual(32_767);
  await expect(choosePorts(memory, wishes)).resolves.toEqual(first);
});

test.each(['', '{"one":', 'null', '{"one":"text"}', '{"one":99999}'])(
  'a spoilt memory %j is forgotten',
  async (text) => {
    await writeFile(memory, text);
    const ports = await choosePorts(memory, ['one']);
    expect(ports['one']).toBeGreaterThan(0);
  },
);
