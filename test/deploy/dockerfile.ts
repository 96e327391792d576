import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** The instructions of each stage, in order; what comes before the first one is the first entry. */
export function readStages(): readonly (readonly Instruction[])[] {
  const text = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
  const lines = text
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '');
  const instructions = lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => ({ name: line.split(' ')[0] ?? '', value: line.slice(line.indexOf(' ') + 1) }));
  const stages: Instruction[][] = [[]];
  for (const instruction of instructions) {
    if (instruction.name === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** The image itself: what the last stage says. */
export function valuesOf(name: string): readonly string[] {
  return (readStages().at(-1) ?? []).filter((instruction) => instruction.name === name).map(({ value }) => value);
}

export interface Copy {
  readonly from: 'build' | 'context';
  readonly sources: readonly string[];
}

export function readCopies(): readonly Copy[] {
  return valuesOf('COPY').map((value) => {
    const words = value.split(' ').filter((word) => !word.startsWith('--'));
    return { from: value.startsWith('--from=build') ? 'build' : 'context', sources: words.slice(0, -1) };
  });
}

/** What Node is started with, the command of `spillway` apart. */
export function readEntrypoint(): readonly string[] {
  return z.array(z.string()).parse(JSON.parse(valuesOf('ENTRYPOINT')[0] ?? '[]'));
}
