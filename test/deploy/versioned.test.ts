import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hasKubectl, kustomizations, type Manifest, podsOf, render } from './manifests.ts';

const [overlay] = kustomizations.filter(({ directory }) => directory.endsWith('versioned/build'));
const build = overlay?.nameSuffix?.slice(1) ?? '';

/** As it is called where nothing is of a build; a config map's name ends with what it holds. */
const plainName = ({ kind, metadata: { name } }: Manifest): string =>
  `${kind} ${kind === 'ConfigMap' ? 'spillway-config' : name.replace(`-${build}`, '')}`;

const labels = z.record(z.string(), z.string());

describe.skipIf(!hasKubectl)('a build of the workers', () => {
  const ofBuild = render('overlays/versioned/build');
  const ofNone = render('overlays/versioned/common');
  const only = (kind: string): Manifest => {
    const [found, ...others] = ofBuild.filter((one) => one.kind === kind);
    if (found === undefined || others.length > 0) throw new Error(`${others.length} others of kind ${kind}`);
    return found;
  };

  test('and what is of none are together what a release is otherwise, and share nothing but a config map', () => {
    const [theirs, others] = [ofBuild.map(plainName), ofNone.map(plainName)];
    expect([...new Set([...theirs, ...others])].toSorted()).toEqual(
      render('overlays/production').map(plainName).toSorted(),
    );
    expect(theirs.filter((name) => others.includes(name))).toEqual(['ConfigMap spillway-config']);
    expect(new Set(ofBuild.map(({ kind }) => kind))).toEqual(
      new Set(['ConfigMap', 'Deployment', 'PodDisruptionBudget', 'ScaledObject']),
    );
    expect(ofBuild).toHaveLength(4);
  });

  test('has names of its own, and labels by which it can be taken away', () => {
    for (const { kind, metadata } of ofBuild) {
      expect(`${kind} ${metadata.name}`).toMatch(new RegExp(`-${build}(-|$)`));
      expect(labels.parse(metadata['labels'])['app.kubernetes.io/version']).toBe(build);
    }
  });

  test('selects its own pods alone: two Deployments with one selector would take each other’s', () => {
    const selected = z.object({ selector: z.object({ matchLabels: labels }) });
    const [pod] = podsOf(ofBuild);
    for (const kind of ['Deployment', 'PodDisruptionBudget']) {
      const { matchLabels } = selected.parse(only(kind).spec).selector;
      expect(matchLabels['app.kubernetes.io/version']).toBe(build);
      expect(pod?.metadata.labels).toMatchObject(matchLabels);
    }
  });

  test('is scaled by itself', () => {
    const target = z.object({ scaleTargetRef: z.object({ name: z.string() }) });
    expect(target.parse(only('ScaledObject').spec).scaleTargetRef.name).toBe(only('Deployment').metadata.name);
  });

  test('knows which build it is, and is of that image', () => {
    const [container] = podsOf(ofBuild).flatMap(({ spec }) => spec.containers);
    expect(z.record(z.string(), z.string()).parse(only('ConfigMap')['data'])['WORKER_BUILD_ID']).toBe(build);
    expect(container?.envFrom).toEqual([{ configMapRef: { name: only('ConfigMap').metadata.name } }]);
    expect(container?.image.split(':').at(-1)).toBe(build);
  });
});
