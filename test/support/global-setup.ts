import type { TestProject } from 'vitest/node';
import { compile } from './program.ts';
import { startTestServers, type TestServers } from './servers.ts';
import { dropDatabase, makeTemplate } from './template-database.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    databaseUrl: string;
    templateDatabase: string;
    temporalAddress: string;
    temporalUiUrl: string;
    temporalCliPath: string;
  }
}

interface Prepared extends TestServers {
  readonly templateDatabase: string;
}

interface Shared {
  users: number;
  servers: Promise<Prepared>;
}

declare global {
  // Vitest loads this file once a project; the global is what the projects of one run share.
  var spillwayTestServers: Shared | undefined;
}

/** One Postgres and one Temporal for a whole run, read in a test with `inject('databaseUrl')`. */
export async function setup(project: TestProject): Promise<void> {
  const shared = (globalThis.spillwayTestServers ??= { users: 0, servers: prepare() });
  shared.users += 1;
  const servers = await shared.servers;
  project.provide('databaseUrl', servers.databaseUrl);
  project.provide('templateDatabase', servers.templateDatabase);
  project.provide('temporalAddress', servers.temporalAddress);
  project.provide('temporalUiUrl', servers.temporalUiUrl);
  project.provide('temporalCliPath', servers.temporalCliPath);
}

export async function teardown(): Promise<void> {
  const shared = globalThis.spillwayTestServers;
  if (!shared) return;
  shared.users -= 1;
  if (shared.users > 0) return;
  globalThis.spillwayTestServers = undefined;
  await (await shared.servers).stop();
}

async function prepare(): Promise<Prepared> {
  const [servers] = await Promise.all([startTestServers(), compile()]);
  const templateDatabase = await makeTemplate(servers.databaseUrl);
  const stop = async () => {
    await dropDatabase(servers.databaseUrl, templateDatabase);
    await servers.stop();
  };
  return { ...servers, templateDatabase, stop };
}
