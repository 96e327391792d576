import type { Pool } from 'pg';
import type { Config, Secrets } from '../../config.ts';
import { assertSchemaIsCurrent } from '../../db/migrate.ts';
import { type LastReading, readLastReadings } from '../../db/mailbox/callback-readings.ts';
import { only } from '../../db/sql.ts';
import { type Check, fail, type Finding, ok, warn } from './check.ts';
import { findClockSkew, judgeSkew } from './clock.ts';

export interface DatabaseDoctor {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly migrationsDirectory: string;
}

const oldestVersion = 15;
const adviceOnUrl = 'Check DATABASE_URL, and that the database may be reached from here.';

export function databaseChecks(doctor: DatabaseDoctor): readonly Check[] {
  const { pool, databaseUrl, migrationsDirectory } = doctor;
  return [
    { name: 'database', run: () => checkVersion(pool), advice: adviceOnUrl },
    {
      name: 'schema',
      async run() {
        await assertSchemaIsCurrent(databaseUrl, migrationsDirectory);
        return ok('The schema is that of this release.');
      },
      advice: 'Run `npm run migrate` with this release, or start the release that the schema is of.',
    },
    { name: 'clock of the database', run: () => checkClock(pool), advice: adviceOnUrl },
    { name: 'last callbacks', run: () => checkReadings(doctor), advice: 'Run `npm run migrate` first.' },
  ];
}

async function checkVersion(pool: Pool): Promise<Finding> {
  const { rows } = await pool.query<{ version: number; name: string }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS version, current_setting('server_version') AS name`,
  );
  const { version, name } = only(rows, 'current_setting');
  if (version >= oldestVersion) return ok(`Postgres ${name} answers.`);
  return fail(`Postgres ${name} is too old.`, `Use Postgres ${oldestVersion} or newer.`);
}

async function checkClock(pool: Pool): Promise<Finding> {
  const skewMs = await findClockSkew(async () => {
    const { rows } = await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    return only(rows, 'clock_timestamp').now.getTime();
  });
  return judgeSkew('Postgres', skewMs);
}

async function checkReadings({ pool }: DatabaseDoctor): Promise<Finding> {
  const readings = await readLastReadings(pool);
  if (readings.length === 0) return ok('No provider has called back yet.');
  const said = readings.map(sentenceOf).join('; ');
  const isBad = ({ reading }: LastReading): boolean => reading === 'forged' || reading === 'unreadable';
  const bad = readings.filter(isBad);
  if (bad.length > 0)
    return fail(
      `${said}.`,
      `Compare the webhook secret of ${namesOf(bad)} (docs/configuration.md) with the one that the provider shows. Until then its jobs are polled.`,
    );
  const unsigned = readings.filter(({ reading }) => reading === 'unsigned');
  if (unsigned.length > 0)
    return warn(
      `${said}.`,
      `Set the webhook secret of ${namesOf(unsigned)} (docs/configuration.md): until then a callback only causes a poll.`,
    );
  return ok(`${said}.`);
}

function namesOf(readings: readonly LastReading[]): string {
  return readings.map(({ provider }) => provider).join(', ');
}

function sentenceOf({ provider, reading, at, verifiedAt }: LastReading): string {
  const when = new Date(at).toISOString();
  const before =
    verifiedAt === null ? 'none was ever right' : `the last right one came at ${new Date(verifiedAt).toISOString()}`;
  switch (reading) {
    case 'report':
      return `${provider}'s of ${when} was signed and right`;
    case 'unsigned':
      return `${provider}'s of ${when} could not be verified, ${before}`;
    case 'forged':
      return `${provider}'s of ${when} had a wrong signature, ${before}`;
    case 'unreadable':
      return `${provider}'s of ${when} could not be read, ${before}`;
  }
}
