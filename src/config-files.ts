import { readFileSync, statSync } from 'node:fs';
import { ConfigError } from './config-error.ts';
import { limits } from './domain/limits/limits.ts';

type Variables = Readonly<Record<string, string>>;

/**
 * What a secret variable holds: its own value, or the content of the file that `NAME_FILE` names. A file stays out of
 * `docker inspect`, of `/proc` and of every child's environment. Editors and `echo` end a file with a newline, which no
 * secret means.
 */
export function readSecret(environment: Variables, name: string): string | undefined {
  const value = environment[name];
  const path = environment[fileVariable(name)];
  if (path === undefined) return value;
  if (value !== undefined) throw new ConfigError(`${name} and ${fileVariable(name)} are both set. Keep one of them.`);
  const content = contentOf(name, path).replace(/\r?\n$/, '');
  if (content === '') throw unusable({ name, path, why: 'is empty' });
  return content;
}

/** All of them at once, so that whoever starts is told of every one that is wrong. */
export function readSecrets(environment: Variables, names: readonly string[]): Variables {
  const problems: string[] = [];
  const entries = names.flatMap((name) => {
    try {
      const value = readSecret(environment, name);
      return value === undefined ? [] : [[name, value]];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(error.message);
      return [];
    }
  });
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return Object.fromEntries(entries);
}

function fileVariable(name: string): string {
  return `${name}_FILE`;
}

/** A pipe could keep the start waiting for ever, and a wrong path could name a file of any size. */
function contentOf(name: string, path: string): string {
  try {
    const file = statSync(path);
    if (!file.isFile()) throw unusable({ name, path, why: 'is not a file' });
    if (file.size > limits.secretFileBytesMax)
      throw unusable({ name, path, why: `is larger than ${limits.secretFileBytesMax} bytes` });
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw unusable({ name, path, why: `can't be read (${codeOf(error)})` });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';
}

interface Unusable {
  readonly name: string;
  readonly path: string;
  readonly why: string;
}

function unusable({ name, path, why }: Unusable): ConfigError {
  return new ConfigError(`${fileVariable(name)}: ${path} ${why}. Put the secret there, or set ${name} instead.`);
}
