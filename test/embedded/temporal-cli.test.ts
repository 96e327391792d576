import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findFirst, findTemporalCli, findTestServer, type FinderStep } from '../../src/embedded/temporal-cli.ts';

const log = () => undefined;
const options = { log, advice: 'Install it. Tried:' };

function step(place: string, find: FinderStep['find']): FinderStep {
  return { place, find };
}

async function makeProgram(path: string): Promise<string> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, '#!/bin/sh\necho temporal version 0.0.0\n');
  await chmod(path, 0o755);
  return path;
}

describe('findFirst', () => {
  test('takes the first place that has the program and looks no further', async () => {
    const looked: string[] = [];
    const steps = ['first', 'second', 'third'].map((place) =>
      step(place, async () => {
        looked.push(place);
        return place === 'first' ? undefined : `/${place}`;
      }),
    );
    await expect(findFirst(steps, options)).resolves.toBe('/second');
    expect(looked).toEqual(['first', 'second']);
  });

  test('goes on after a place that fails, and logs why', async () => {
    const lines: unknown[] = [];
    const steps = [
      step('the net', async () => {
        throw new Error('no route');
      }),
      step('the cache', async () => '/cached'),
    ];
    const path = await findFirst(steps, { ...options, log: (message, fields) => lines.push([message, fields]) });
    expect(path).toBe('/cached');
    expect(lines).toEqual([['Looked in vain', { place: 'the net', reason: 'no route' }]]);
  });

  test('says what to do and everything it tried when there is none', async () => {
    const steps = [
      step('PATH', async () => undefined),
      step('the net', async () => {
        throw new Error('no route');
      }),
    ];
    await expect(findFirst(steps, options)).rejects.toThrow(
      'Install it. Tried:\n  - PATH: not there\n  - the net: no route',
    );
  });
});

describe('the places', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'spillway-finder-'));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  test('a configured path comes before all others', async () => {
    const configuredPath = await makeProgram(join(directory, 'mine'));
    const onPath = await makeProgram(join(directory, 'bin', 'temporal'));
    const found = await findTemporalCli({
      configuredPath,
      searchPath: join(onPath, '..'),
      cacheDirectory: directory,
      log,
    });
    expect(found).toBe(configuredPath);
  });

  test('a configured path that is wrong is refused, not passed over', async () => {
    await makeProgram(join(directory, 'temporal-1.9.1'));
    const configuredPath = join(directory, 'missing');
    await expect(findTemporalCli({ configuredPath, cacheDirectory: directory, log })).rejects.toThrow(configuredPath);
  });

  test('PATH comes before the cache, and its directories in their order', async () => {
    await makeProgram(join(directory, 'temporal-test-server-1.40.0'));
    const second = await makeProgram(join(directory, 'b', 'temporal-test-server'));
    await makeProgram(join(directory, 'c', 'temporal-test-server'));
    const searchPath = ['a', 'b', 'c'].map((name) => join(directory, name)).join(delimiter);
    await expect(findTestServer({ searchPath, cacheDirectory: directory, log })).resolves.toBe(second);
  });

  test('a program that does not run is passed over', async () => {
    const broken = await makeProgram(join(directory, 'bin', 'temporal'));
    await writeFile(broken, '#!/bin/sh\nexit 3\n');
    const cached = await makeProgram(join(directory, 'temporal-1.9.1'));
    const searchPath = join(directory, 'bin');
    await expect(findTemporalCli({ searchPath, cacheDirectory: directory, log })).resolves.toBe(cached);
  });

  test('the cache is used where PATH has none, and a file that is no program does not count', async () => {
    await mkdir(join(directory, 'bin', 'temporal'), { recursive: true });
    const cached = await makeProgram(join(directory, 'temporal-1.9.1'));
    const searchPath = join(directory, 'bin');
    await expect(findTemporalCli({ searchPath, cacheDirectory: directory, log })).resolves.toBe(cached);
  });
});
