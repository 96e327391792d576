/** What is wrong with the configuration, a sentence a line. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}
