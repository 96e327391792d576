import { openBalancer, type Balancer } from './balancer.ts';
import { createPart, findFreePorts, type Part } from './processes.ts';

/** Of several the first one has the bare name. */
export type PartName = 'simulator' | 'api' | 'worker' | `api-${number}` | `worker-${number}`;

export interface PartCounts {
  readonly api: number;
  readonly worker: number;
}

/** Where the parts of a stack are, before any of them runs. */
export interface PartPlaces {
  readonly names: readonly PartName[];
  /** Of the API, or of the balancer before several. */
  readonly publicPort: number;
  readonly simulatorPort: number;
  readonly portOf: (name: PartName) => number;
  readonly opsPortOf: (name: PartName) => number;
}

export async function findPlaces({ api, worker }: PartCounts): Promise<PartPlaces> {
  const further = (kind: 'api' | 'worker', count: number): readonly PartName[] =>
    Array.from({ length: count - 1 }, (_, index) => `${kind}-${index + 2}` as const);
  const names: readonly PartName[] = [
    'simulator',
    'api',
    ...further('api', api),
    'worker',
    ...further('worker', worker),
  ];
  const ports = await findFreePorts(['balancer', ...names.flatMap((name) => [name, `ops-${name}`])]);
  const portOf = (name: string): number => ports[name] ?? fail(`nobody is called ${name} here`);
  return {
    names,
    publicPort: portOf(api > 1 ? 'balancer' : 'api'),
    simulatorPort: portOf('simulator'),
    portOf,
    opsPortOf: (name) => portOf(`ops-${name}`),
  };
}

const readyLines = { simulator: 'simulator is up', api: 'API is up', worker: 'worker is up' } as const;

interface PartsSettings {
  readonly env: Readonly<Record<string, string>> & { readonly DATABASE_URL: string };
  readonly logFile: (name: string) => string;
}

export function createParts(places: PartPlaces, { env, logFile }: PartsSettings): ReadonlyMap<PartName, Part> {
  // Its name is on its connections, so that a test can tell whose they are.
  const named = (name: string): string => `${env.DATABASE_URL}?application_name=${name}`;
  return new Map(
    places.names.map((name) => {
      const command = commandOf(name);
      const own = {
        PORT: String(places.portOf(name)),
        OPS_PORT: String(places.opsPortOf(name)),
        ...(places.names.length > 3 && { DATABASE_URL: named(name), DATABASE_DIRECT_URL: named(`${name}-direct`) }),
      };
      const part = createPart({
        command,
        env: { ...env, ...own },
        readyLine: readyLines[command],
        logFile: logFile(name),
      });
      return [name, part] as const;
    }),
  );
}

/** Many at once would only make each of them late. */
export async function startParts(parts: ReadonlyMap<PartName, Part>): Promise<void> {
  if (parts.size === 3) await Promise.all([...parts.values()].map((part) => part.start()));
  else for (const part of parts.values()) await part.start();
}

/** Undefined where there is but one. */
export async function balanceApis(places: PartPlaces): Promise<Balancer | undefined> {
  const apis = places.names.filter((name) => commandOf(name) === 'api');
  if (apis.length === 1) return undefined;
  return await openBalancer({
    port: places.publicPort,
    backends: apis.map(places.portOf),
    readinessOf: (backend) => {
      const name = apis.find((one) => places.portOf(one) === backend) ?? 'api';
      return `http://127.0.0.1:${places.opsPortOf(name)}/readyz`;
    },
  });
}

function commandOf(name: PartName): keyof typeof readyLines {
  if (name === 'simulator') return name;
  return name.startsWith('api') ? 'api' : 'worker';
}

function fail(message: string): never {
  throw new Error(message);
}
