import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  databases,
  portWishes,
  readPostgresUrl,
  renderDynamicConfig,
  renderServerConfig,
} from '../../src/embedded/temporal-server-config.ts';
import { readTemporalServerKind } from '../../src/embedded/temporal-server-kind.ts';
import {
  findTemporalServer,
  provideTemporalServer,
  TemporalServerBuildError,
  temporalServerVersion,
} from '../../src/embedded/temporal-server-programs.ts';

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-temporal-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

test('what was never built is not found, and without Go the way out is said', async () => {
  const cacheDirectory = await emptyDirectory();
  expect(await findTemporalServer(cacheDirectory)).toBeUndefined();
  const provided = provideTemporalServer({ cacheDirectory, searchPath: cacheDirectory, log: () => undefined });
  await expect(provided).rejects.toThrow(TemporalServerBuildError);
  await expect(provided).rejects.toThrow(/Install Go .* or use the dev server/);
});

test('the version is that of the pinned dev server, so that figures can be compared', () => {
  expect(temporalServerVersion).toBe('1.32.0');
});

const ports = Object.fromEntries(
  portWishes.map((wish, index) => [typeof wish === 'string' ? wish : wish.name, 20_000 + index]),
);

test('all services listen on loopback only, each on ports of its own', () => {
  const postgres = readPostgresUrl('postgres://user:word@127.0.0.1/spillway');
  const config = JSON.parse(renderServerConfig({ postgres, ports, dynamicConfigFile: '/a/dynamic.yaml' }));
  expect(Object.keys(config.services).toSorted()).toEqual(['frontend', 'history', 'matching', 'worker']);
  const services: { rpc: { grpcPort: number; membershipPort: number; bindOnIP: string } }[] = Object.values(
    config.services,
  );
  for (const { rpc } of services) expect(rpc.bindOnIP).toBe('127.0.0.1');
  const used = services.flatMap(({ rpc }) => [rpc.grpcPort, rpc.membershipPort]);
  expect(used.toSorted((one, other) => one - other)).toEqual(Object.values(ports));
  expect(config.clusterMetadata.clusterInformation.active.rpcAddress).toBe(`127.0.0.1:${ports['port']}`);
});

test('history and visibility have databases of their own, whatever is in the password', () => {
  const postgres = readPostgresUrl('postgres://us%20er:p%22w%3A%0Ad@127.0.0.1:5433/spillway');
  const config = JSON.parse(renderServerConfig({ postgres, ports, dynamicConfigFile: '/a/dynamic.yaml' }));
  const { main, visibility } = config.persistence.datastores;
  expect([main.sql.databaseName, visibility.sql.databaseName]).toEqual([databases.main, databases.visibility]);
  expect(databases.main).not.toBe(databases.visibility);
  expect(main.sql).toMatchObject({ user: 'us er', password: 'p"w:\nd', connectAddr: '127.0.0.1:5433' });
});

test('a task queue has one partition, as in a small deployment', () => {
  const settings = JSON.parse(renderDynamicConfig());
  for (const name of ['matching.numTaskqueueReadPartitions', 'matching.numTaskqueueWritePartitions'])
    expect(settings[name]).toEqual([{ value: 1 }]);
});

test('ports by which members find each other fit the column that they are noted in', () => {
  const bounded = portWishes.filter((wish) => typeof wish !== 'string');
  expect(bounded).toHaveLength(4);
  for (const wish of bounded) expect(wish).toMatchObject({ portMax: 32_767 });
});

test.each(['dev', 'postgres'])('%s is a kind of server', (kind) => {
  expect(readTemporalServerKind(kind)).toBe(kind);
});

test('another kind is refused in a sentence', () => {
  expect(() => readTemporalServerKind('sqlite')).toThrow(/postgres/);
});
