import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';

export const manifestsDirectory = join(import.meta.dirname, '../../deploy/kubernetes');

const container = z.object({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()).optional(),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).optional(),
  envFrom: z.array(z.object({ configMapRef: z.object({ name: z.string() }) })).optional(),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  securityContext: z.unknown(),
  resources: z.unknown(),
  volumeMounts: z
    .array(z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() }))
    .default([]),
  startupProbe: z.unknown().optional(),
  readinessProbe: z.unknown().optional(),
  livenessProbe: z.unknown().optional(),
});

const labels = z.record(z.string(), z.string());

const pod = z.object({
  metadata: z.object({ labels }),
  spec: z.object({
    containers: z.array(container),
    volumes: z.array(z.looseObject({ name: z.string() })).default([]),
    terminationGracePeriodSeconds: z.number().optional(),
    securityContext: z.unknown(),
    automountServiceAccountToken: z.boolean().optional(),
    serviceAccountName: z.string(),
  }),
});

type Pod = z.infer<typeof pod>;

const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.record(z.string(), z.unknown()).optional(),
});

/** One object of the cluster, and the file that it is from. */
export type Manifest = z.infer<typeof manifest> & { readonly file: string };

function parseManifests(text: string, file: string): readonly Manifest[] {
  return parseAllDocuments(text).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return { ...manifest.parse(document.toJS()), file };
  });
}

const kustomization = z.strictObject({
  apiVersion: z.string(),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  labels: z.array(z.unknown()).optional(),
  nameSuffix: z.string().optional(),
  configurations: z.array(z.string()).default([]),
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z
    .array(
      z.strictObject({
        name: z.string(),
        behavior: z.enum(['merge']).optional(),
        envs: z.array(z.string()).default([]),
        literals: z.array(z.string()).default([]),
      }),
    )
    .default([]),
  secretGenerator: z.array(z.strictObject({ name: z.string(), literals: z.array(z.string()) })).default([]),
  images: z
    .array(z.strictObject({ name: z.string(), newName: z.string().optional(), newTag: z.string().optional() }))
    .default([]),
  patches: z.array(z.strictObject({ target: z.record(z.string(), z.string()), patch: z.string() })).default([]),
});

export type Kustomization = z.infer<typeof kustomization> & { readonly directory: string };

function everyFile(): readonly string[] {
  return readdirSync(manifestsDirectory, { recursive: true, encoding: 'utf8' })
    .map((path) => join(manifestsDirectory, path))
    .filter((path) => statSync(path).isFile());
}

export const kustomizations: readonly Kustomization[] = everyFile()
  .filter((path) => path.endsWith('kustomization.yaml'))
  .map((path) => {
    const [document] = parseAllDocuments(readFileSync(path, 'utf8'));
    return { ...kustomization.parse(document?.toJS()), directory: join(path, '..') };
  });

const configurations = kustomizations.flatMap((one) => one.configurations.map((path) => join(one.directory, path)));

/** Everything that is written down, as it is before kustomize. */
export const manifests: readonly Manifest[] = everyFile()
  .filter((path) => path.endsWith('.yaml') && !path.endsWith('kustomization.yaml') && !configurations.includes(path))
  .flatMap((path) => parseManifests(readFileSync(path, 'utf8'), relative(manifestsDirectory, path)));

export const otherFiles: readonly string[] = everyFile().filter((path) => !path.endsWith('kustomization.yaml'));

export function ofKind(kind: string): readonly Manifest[] {
  return manifests.filter((one) => one.kind === kind);
}

/** Of deployments and jobs. */
export function podsOf(all: readonly Manifest[]): readonly (Pod & { readonly owner: Manifest })[] {
  return all
    .filter(({ kind }) => kind === 'Deployment' || kind === 'Job')
    .map((owner) => ({ ...pod.parse(owner.spec?.['template']), owner }));
}

/** `NAME=value` lines. */
export function readEnvFile(path: string): ReadonlyMap<string, string> {
  if (!existsSync(path)) throw new Error(`${path} is named and not there`);
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

/** Every query that something is scaled by. */
export function scalingQueries(): readonly string[] {
  const spec = z.object({ triggers: z.array(z.object({ metadata: z.object({ query: z.string() }) })) });
  return ofKind('ScaledObject').flatMap((one) => spec.parse(one.spec).triggers.map(({ metadata }) => metadata.query));
}

export const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;

/** As kustomize puts it together. */
export function render(name: string, root = manifestsDirectory): readonly Manifest[] {
  return parseManifests(execFileSync('kubectl', ['kustomize', join(root, name)], { encoding: 'utf8' }), name);
}

/** The metrics that a query asks for. */
export function metricsOf(query: string): readonly string[] {
  return [...new Set(query.match(/\b(spillway|temporal)_[a-z_]+/g))];
}
