import type { PortWish } from './ports.ts';
import { dynamicConfig } from './temporal-dynamic-config.ts';
import { host, type Ports } from './temporal-process.ts';

/** Where the server keeps everything, and, apart from it, what lists and searches are answered from. */
export const databases = { main: 'temporal', visibility: 'temporal_visibility' } as const;

export interface PostgresAccess {
  readonly host: string;
  readonly port: string;
  readonly user: string;
  readonly password: string;
}

export interface ServerSettings {
  readonly postgres: PostgresAccess;
  readonly ports: Ports;
  readonly dynamicConfigFile: string;
}

/** Each service has a port for calls and one by which the services find each other, though all are one process. */
const servicePorts = [
  { service: 'frontend', grpc: 'port', membership: 'frontendMembership' },
  { service: 'history', grpc: 'history', membership: 'historyMembership' },
  { service: 'matching', grpc: 'matching', membership: 'matchingMembership' },
  { service: 'worker', grpc: 'worker', membership: 'workerMembership' },
] as const;

/** Members are noted in a column of 16 bits with a sign, which the ports that the system gives do not fit. */
const membershipPortMax = 32_767;

export const portWishes: readonly PortWish[] = servicePorts.flatMap(({ grpc, membership }) => [
  grpc,
  { name: membership, portMax: membershipPortMax },
]);

/** Fixed for the life of the database. Writes of one shard wait for each other, and an idle shard costs a little. */
const historyShards = 4;
/** Each of the four services has both pools of its own: at most 100 of the 200 that the embedded Postgres admits. */
const connectionsMax = { main: 20, visibility: 5 } as const;

export function readPostgresUrl(url: string): PostgresAccess {
  const { hostname, port, username, password } = new URL(url);
  const [user, secret] = [decodeURIComponent(username), decodeURIComponent(password)];
  return { host: hostname, port: port === '' ? '5432' : port, user, password: secret };
}

/** As JSON, which is YAML: nothing in a password or a path can be mistaken for syntax. */
export function renderServerConfig({ postgres, ports, dynamicConfigFile }: ServerSettings): string {
  const config = {
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'main',
      visibilityStore: 'visibility',
      numHistoryShards: historyShards,
      datastores: { main: datastore(postgres, 'main'), visibility: datastore(postgres, 'visibility') },
    },
    // Any longer, and a start on other ports spends a minute on members of the last one that seem alive.
    global: { membership: { maxJoinDuration: '3s', broadcastAddress: host } },
    services: Object.fromEntries(
      servicePorts.map(({ service, grpc, membership }) => [
        service,
        { rpc: { grpcPort: ports[grpc], membershipPort: ports[membership], bindOnIP: host } },
      ]),
    ),
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `${host}:${ports['port']}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    dynamicConfigClient: { filepath: dynamicConfigFile, pollInterval: '60s' },
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function datastore({ host, port, user, password }: PostgresAccess, pool: 'main' | 'visibility') {
  return {
    sql: {
      // It keeps statements prepared, which the default plugin does not: a third less work for Postgres.
      pluginName: 'postgres12_pgx',
      databaseName: databases[pool],
      connectAddr: `${host}:${port}`,
      connectProtocol: 'tcp',
      user,
      password,
      maxConns: connectionsMax[pool],
      maxIdleConns: connectionsMax[pool],
      maxConnLifetime: '1h',
    },
  };
}

/** The rates of access to the database are meant for one that is shared, too. The dev server sets its own. */
const databaseRates = {
  'frontend.persistenceMaxQPS': 20_000,
  'history.persistenceMaxQPS': 50_000,
  'matching.persistenceMaxQPS': 20_000,
} as const;

export function renderDynamicConfig(): string {
  const settings = Object.entries({ ...dynamicConfig, ...databaseRates });
  return `${JSON.stringify(Object.fromEntries(settings.map(([name, value]) => [name, [{ value }]])), undefined, 2)}\n`;
}
