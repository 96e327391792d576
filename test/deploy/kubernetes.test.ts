import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parser } from '@prometheus-io/lezer-promql';
import { describe, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { type Check, checkAgainst, readSchema } from './against-schema.ts';
import { commands } from './commands.ts';
import { isSecret, unknownOf } from './known-variables.ts';
import {
  hasKubectl,
  kustomizations,
  type Manifest,
  manifests,
  manifestsDirectory,
  metricsOf,
  ofKind,
  otherFiles,
  podsOf,
  readEnvFile,
  render,
  scalingQueries,
} from './manifests.ts';

const vendored = z
  .looseObject({ kinds: z.record(z.string(), z.string()), definitions: z.record(z.string(), z.unknown()) })
  .parse(readSchema('kubernetes.json'));

const checks = new Map<string, Check>([
  ...Object.entries(vendored.kinds).map(([kind, name]): readonly [string, Check] => [
    kind,
    checkAgainst({ definitions: vendored.definitions, $ref: `#/definitions/${name}` }),
  ]),
  ['keda.sh/v1alpha1 ScaledObject', checkAgainst(readSchema('keda.json'))],
  ['monitoring.coreos.com/v1 PodMonitor', checkAgainst(readSchema('prometheus-operator.json'))],
]);

function faultsOf({ file, ...document }: Manifest): readonly string[] {
  const kind = `${document.apiVersion} ${document.kind}`;
  const check = checks.get(kind);
  return check?.(document).map((fault) => `${file}: ${kind} ${fault}`) ?? [`${file}: nobody vendored ${kind}`];
}

describe('the schemas of Kubernetes', () => {
  test('find nothing wrong with any file', () => {
    expect(manifests.length).toBeGreaterThan(20);
    expect(manifests.flatMap(faultsOf)).toEqual([]);
  });

  test.each([
    { why: 'a field that is none', spec: { replica: 2 } },
    { why: 'a number in words', spec: { replicas: 'two' } },
    { why: 'nothing where a selector belongs', spec: { selector: null } },
    { why: 'a list where one thing belongs', spec: { strategy: [] } },
  ])('find fault with $why', ({ spec }) => {
    const faults = ofKind('Deployment').map((one) => faultsOf({ ...one, spec: { ...one.spec, ...spec } }));
    expect(faults.length).toBeGreaterThan(1);
    for (const found of faults) expect(found).not.toEqual([]);
  });
});

describe('what kustomize is told', () => {
  test('names files that are there, and leaves none out', () => {
    const named = kustomizations.flatMap(({ directory, resources, components, configurations, configMapGenerator }) =>
      [...resources, ...components, ...configurations, ...configMapGenerator.flatMap(({ envs }) => envs)].map((path) =>
        join(directory, path),
      ),
    );
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
    expect(otherFiles.filter((path) => !named.includes(path))).toEqual([]);
  });

  test('is our image alone that is given a release', () => {
    for (const { images } of kustomizations) for (const { name } of images) expect(name).toMatch(/(^|\/)spillway$/);
  });
});

const environments = kustomizations.flatMap(({ directory, configMapGenerator }) =>
  configMapGenerator.flatMap(({ envs }) =>
    envs.map((path) => ({
      path: relative(manifestsDirectory, join(directory, path)),
      set: readEnvFile(join(directory, path)),
    })),
  ),
);
const base = environments.find(({ path }) => path === 'base/spillway.env')?.set ?? new Map<string, string>();
const secretsMount = '/run/secrets/spillway';

describe.each(environments)('$path', ({ set }) => {
  test('sets what somebody reads, and says no secret', () => {
    expect(set.size).toBeGreaterThan(3);
    expect(unknownOf(set.keys())).toEqual([]);
    expect([...set.keys()].filter((name) => isSecret(name))).toEqual([]);
  });

  test('takes secrets from where they are mounted, each under the name of its variable', () => {
    const files = [...set].filter(
      ([name, value]) => name.endsWith('_FILE') && !name.startsWith('AWS_') && value !== '',
    );
    for (const [name, value] of files)
      expect(value).toBe(`${secretsMount}/${name.slice(0, -'_FILE'.length).toLowerCase()}`);
  });
});

test('what is set beside them is read by somebody too', () => {
  const literals = kustomizations.flatMap(({ configMapGenerator }) =>
    configMapGenerator.flatMap((one) => one.literals),
  );
  expect(unknownOf(literals.map((literal) => literal.split('=')[0] ?? ''))).toEqual([]);
});

test('the secrets of a trial are those that its variables name', () => {
  for (const { secretGenerator, directory } of kustomizations)
    for (const { name, literals } of secretGenerator) {
      const [own] = environments.filter(({ path }) => join(manifestsDirectory, path).startsWith(directory));
      const asked = [...new Map([...base, ...(own?.set ?? [])])].filter(([, value]) => value.startsWith(secretsMount));
      expect(name).toBe('spillway-secrets');
      expect(new Set(literals.map((literal) => `${secretsMount}/${literal.split('=')[0]}`))).toEqual(
        new Set(asked.map(([, value]) => value)),
      );
    }
});

const pods = podsOf(manifests);
const ours = pods.flatMap((pod) =>
  pod.spec.containers.filter(({ image }) => image === 'spillway').map((container) => ({ ...container, pod })),
);

describe('every pod', () => {
  test.each(pods.map((pod) => ({ name: pod.owner.metadata.name, pod })))(
    '$name is nobody of importance, and has no token',
    ({ pod: { spec } }) => {
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(ofKind('ServiceAccount').map(({ metadata }) => metadata.name)).toContain(spec.serviceAccountName);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      for (const container of spec.containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources).toMatchObject({
          requests: { cpu: expect.anything() },
          limits: { memory: expect.anything() },
        });
        const volumes = spec.volumes.map(({ name }) => name);
        expect(volumes).toEqual(container.volumeMounts.map(({ name }) => name));
      }
    },
  );

  test('is selected by what means it', () => {
    const known = new Map(pods.map(({ owner, metadata }) => [owner.metadata.name, metadata.labels]));
    const labels = z.object({ matchLabels: z.record(z.string(), z.string()) });
    const matched = (selector: Readonly<Record<string, string>>): readonly string[] =>
      [...known]
        .filter(([, have]) => Object.entries(selector).every(([key, value]) => have[key] === value))
        .map(([name]) => name);
    for (const one of [...ofKind('Deployment'), ...ofKind('PodDisruptionBudget')])
      expect(matched(labels.parse(one.spec?.['selector']).matchLabels)).toEqual([one.metadata.name]);
    for (const one of ofKind('Service'))
      expect(matched(z.record(z.string(), z.string()).parse(one.spec?.['selector']))).toEqual([one.metadata.name]);
  });
});

describe('our containers', () => {
  test('run commands that we have', () => {
    expect(ours.map(({ name }) => name).toSorted()).toEqual(['api', 'migrate', 'ops', 'simulator', 'worker']);
    for (const { name, args } of ours) {
      expect(args).toEqual(name === 'ops' ? ['ops', 'after-restore', '--dry-run'] : [name]);
      expect(commands).toContain(name);
    }
  });

  test('may write to what is mounted, and have the secrets as files that they can’t write', () => {
    for (const { volumeMounts } of ours) {
      const at = Object.fromEntries(volumeMounts.map(({ mountPath, readOnly }) => [mountPath, readOnly ?? false]));
      expect(at[secretsMount]).toBe(true);
      expect(at['/tmp']).toBe(false);
      expect(Object.keys(at).every((path) => [secretsMount, '/tmp', base.get('DATA_DIRECTORY')].includes(path))).toBe(
        true,
      );
    }
  });

  test('listen where they are told to', () => {
    const told = new Map([
      ['http', base.get('PORT')],
      ['ops', base.get('OPS_PORT')],
    ]);
    for (const { name, ports } of ours.filter(({ name }) => name === 'api' || name === 'worker'))
      for (const port of ports) expect(`${name} ${port.containerPort}`).toBe(`${name} ${told.get(port.name)}`);
    expect([base.get('HOST'), base.get('OPS_HOST')]).toEqual(['0.0.0.0', '0.0.0.0']);
  });

  test.each(['api', 'worker'])(
    'of %s are asked at paths that the ops port has, and not killed for what others lack',
    (name) => {
      const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.literal('ops') }) });
      const container = ours.find((one) => one.name === name);
      const pathOf = (asked: unknown): string => probe.parse(asked).httpGet.path;
      expect(pathOf(container?.readinessProbe)).toBe('/readyz');
      // Readiness asks Postgres. Whoever is restarted because it is away comes back to an empty cache and a herd.
      expect([pathOf(container?.livenessProbe), pathOf(container?.startupProbe)]).toEqual(['/healthz', '/healthz']);
      const served = readFileSync(join(manifestsDirectory, '../../src/api/ops-app.ts'), 'utf8');
      for (const path of ['/readyz', '/healthz', '/metrics']) expect(served).toContain(`'${path}'`);
    },
  );

  test('have time to stop: what may not be cut off, and the wait before it', () => {
    const wait = Number(base.get('SHUTDOWN_WAIT_SECONDS'));
    for (const { name, pod } of ours.filter(({ name }) => name === 'api' || name === 'worker'))
      expect(`${name} ${(pod.spec.terminationGracePeriodSeconds ?? 30) >= 110 + wait}`).toBe(`${name} true`);
  });
});

describe('services, scaling and policies', () => {
  test('a service leads to a port that its pod has', () => {
    for (const { spec, metadata } of ofKind('Service')) {
      const { ports } = z.object({ ports: z.array(z.object({ targetPort: z.string() })) }).parse(spec);
      const pod = pods.find(({ owner }) => owner.metadata.name === metadata.name);
      const names = pod?.spec.containers.flatMap((container) => container.ports.map(({ name }) => name));
      for (const { targetPort } of ports) expect(names).toContain(targetPort);
    }
  });

  test('what is scaled is a deployment that is there, and never to nothing', () => {
    const target = z.object({ scaleTargetRef: z.object({ name: z.string() }) });
    const scaled = [...ofKind('HorizontalPodAutoscaler'), ...ofKind('ScaledObject')];
    expect(scaled.map(({ spec }) => target.parse(spec).scaleTargetRef.name)).toEqual([
      'spillway-api',
      'spillway-worker',
    ]);
    for (const { spec } of scaled) expect(spec?.['minReplicas'] ?? spec?.['minReplicaCount']).toBeGreaterThanOrEqual(2);
    const names = ofKind('Deployment').map(({ metadata }) => metadata.name);
    expect(names).toEqual(expect.arrayContaining(['spillway-api', 'spillway-worker']));
  });

  test('workers are scaled by metrics that we document, asked for in proper PromQL', () => {
    const documented = readFileSync(join(manifestsDirectory, '../../docs/observability.md'), 'utf8');
    const queries = scalingQueries();
    expect(queries.flatMap(metricsOf)).toEqual(
      expect.arrayContaining(['spillway_mail_lag_seconds', 'temporal_worker_task_slots_used']),
    );
    for (const query of queries) {
      expect(hasErrors(query)).toBe(false);
      for (const metric of metricsOf(query)) expect(documented).toContain(`\`${metric}\``);
    }
    expect(hasErrors('max(spillway_mail_lag_seconds')).toBe(true);
  });

  test('whoever scales by what Prometheus has tells its operator where to get it', () => {
    const [monitor, ...others] = ofKind('PodMonitor');
    expect(others).toEqual([]);
    expect(monitor?.file).toMatch(/^components\/scale-on-lag\//);
    expect(monitor && faultsOf({ ...monitor, spec: { ...monitor.spec, endpoints: [] } })).not.toEqual([]);
    const asked = z
      .object({
        selector: z.object({ matchExpressions: z.tuple([z.object({ key: z.string(), values: z.array(z.string()) })]) }),
        podMetricsEndpoints: z.tuple([z.object({ port: z.string(), path: z.literal('/metrics') })]),
      })
      .parse(monitor?.spec);
    const [{ key, values }] = asked.selector.matchExpressions;
    const scraped = pods.filter(({ metadata }) => values.includes(metadata.labels[key] ?? ''));
    expect(scraped.map(({ owner }) => owner.metadata.name)).toEqual(['spillway-api', 'spillway-worker']);
    for (const { spec } of scraped)
      expect(spec.containers.flatMap(({ ports }) => ports.map(({ name }) => name))).toContain(
        asked.podMetricsEndpoints[0].port,
      );
  });

  test('policies deny first, and what they let out never leads to the cloud’s own metadata', () => {
    const policies = ofKind('NetworkPolicy');
    const [first] = policies.filter(({ file }) => file.startsWith('base/'));
    expect(first?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const blocks = JSON.stringify(policies).match(/"cidr":"0\.0\.0\.0\/0","except":\[[^\]]*\]/g) ?? [];
    expect(blocks.length).toBe(1);
    for (const range of ['169.254.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8'])
      expect(blocks[0]).toContain(range);
  });

  test('whoever mends after a restore is let out as a worker is, and no disruption budget counts it as one', () => {
    const [pod] = pods.filter(({ owner }) => owner.metadata.name === 'spillway-after-restore');
    const part = pod?.metadata.labels['app.kubernetes.io/component'];
    const among = z.object({ matchExpressions: z.array(z.object({ values: z.array(z.string()) })) });
    const lettingOut = (one: string) =>
      ofKind('NetworkPolicy').flatMap(({ spec, metadata }) => {
        const parsed = among.safeParse(spec?.['podSelector']);
        const isMeant = parsed.data?.matchExpressions.some(({ values }) => values.includes(one)) === true;
        return isMeant && JSON.stringify(spec?.['policyTypes']) === '["Egress"]' ? [metadata.name] : [];
      });
    expect(lettingOut('worker')).toContain('spillway-https-egress');
    expect(lettingOut(part ?? '')).toEqual(lettingOut('worker'));
    expect(['api', 'worker', 'migrate']).not.toContain(part);
    // Nobody gets it who has not asked for it.
    const asked = kustomizations.flatMap(({ components }) =>
      components.filter((path) => path.includes('after-restore')),
    );
    expect(asked).toEqual([]);
  });

  test('policies mean parts and ports that are there', () => {
    const parts = new Set(pods.map(({ metadata }) => metadata.labels['app.kubernetes.io/component']));
    const ports = new Set(
      pods.flatMap(({ spec }) =>
        spec.containers.flatMap((one) => one.ports.flatMap(({ name, containerPort }) => [name, containerPort])),
      ),
    );
    for (const policy of ofKind('NetworkPolicy')) {
      const text = JSON.stringify(policy.spec);
      for (const [, values = ''] of text.matchAll(
        /"key":"app\.kubernetes\.io\/component","operator":"In","values":\[([^\]]*)\]/g,
      ))
        for (const value of values.replaceAll('"', '').split(',')) expect(parts).toContain(value);
      for (const [, port = ''] of text.matchAll(/"port":("?[\w]+"?)/g))
        expect([...ports, 53, 443]).toContain(JSON.parse(port));
    }
  });
});

function hasErrors(query: string): boolean {
  let found = false;
  parser.parse(query).iterate({ enter: ({ type }) => void (found ||= type.isError) });
  return found;
}

/** Without kubectl the files are checked as they are, which leaves the merging alone unseen. */
describe.skipIf(!hasKubectl)('as kustomize puts it together', () => {
  test.each([
    'base',
    'overlays/production',
    'overlays/simulated',
    'overlays/versioned/common',
    'overlays/versioned/build',
  ])('%s is sound', (name) => {
    const rendered = render(name);
    expect(rendered.flatMap(faultsOf)).toEqual([]);
    const maps = rendered.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
    for (const { spec } of podsOf(rendered))
      for (const { envFrom = [], image } of spec.containers) {
        for (const { configMapRef } of envFrom) expect(maps).toContain(configMapRef.name);
        expect(image).toContain(':');
      }
    const counted = rendered.filter(({ kind, spec }) => kind === 'Deployment' && spec?.['replicas'] !== undefined);
    const scaled = rendered.filter(({ kind }) => kind === 'HorizontalPodAutoscaler' || kind === 'ScaledObject');
    const target = z.object({ scaleTargetRef: z.object({ name: z.string() }) });
    const names = counted.map(({ metadata }) => metadata.name);
    expect(scaled.length).toBeGreaterThan(0);
    for (const { spec } of scaled) expect(names).not.toContain(target.parse(spec).scaleTargetRef.name);
    const placed = rendered.filter(({ kind }) => kind !== 'Namespace').map(({ metadata }) => metadata['namespace']);
    expect(new Set(placed)).toEqual(new Set(['spillway']));
  });

  test.each([
    { overlay: 'production', volume: 'emptyDir' },
    { overlay: 'simulated', volume: 'persistentVolumeClaim' },
  ])('$overlay with a restore has its image, its configuration and its data', ({ overlay, volume }) => {
    const directory = mkdtempSync(join(tmpdir(), 'spillway-manifests-'));
    try {
      cpSync(manifestsDirectory, directory, { recursive: true });
      const file = join(directory, 'overlays', overlay, 'kustomization.yaml');
      const document = parseDocument(readFileSync(file, 'utf8'));
      const components = z.array(z.string()).parse(document.toJS().components ?? []);
      document.set('components', [...components, '../../components/after-restore']);
      writeFileSync(file, String(document));
      const rendered = render(`overlays/${overlay}`, directory);
      const [pod] = podsOf(rendered).filter(({ owner }) => owner.metadata.name === 'spillway-after-restore');
      const [container] = pod?.spec.containers ?? [];
      expect(container?.image).toContain(':');
      const maps = rendered.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
      for (const { configMapRef } of container?.envFrom ?? []) expect(maps).toContain(configMapRef.name);
      expect(pod?.spec.volumes.find(({ name }) => name === 'data')).toHaveProperty(volume);
      expect(pod?.owner.metadata['namespace']).toBe('spillway');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
