import { findTestServer } from '../../src/embedded/temporal-cli.ts';
import { cacheDirectory } from './servers.ts';

let path: Promise<string> | undefined;

/**
 * The time-skipping server, for
 * `TestWorkflowEnvironment.createTimeSkipping({ server: { executable: { type: 'existing-path', path } } })`.
 */
export function testServerPath(): Promise<string> {
  const { TEMPORAL_TEST_SERVER_PATH: configuredPath, PATH: searchPath } = process.env;
  path ??= findTestServer({ configuredPath, searchPath, cacheDirectory, log: () => undefined });
  return path;
}
