import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Connection } from '@temporalio/client';
import { DefaultLogger, type ReplayHistoriesIterable, Runtime, Worker } from '@temporalio/worker';
import { z } from 'zod';
import { readConfig } from '../../config.ts';
import { limits } from '../../domain/limits/limits.ts';
import { CommandError } from '../command-line/command-error.ts';
import { payloadConverterOf } from '../temporal/payloads.ts';
import { createTemporalClient, noServer, readTemporalSettings } from '../temporal/connection.ts';

const usage = `Usage: npm run replay -- FILE…                     histories, as \`temporal workflow show --output json\` writes them
       npm run replay -- --query QUERY [--limit N]   those of a namespace, as in Temporal UI    needs TEMPORAL_ADDRESS

Runs each history through the workflows of this build, without any effect, and says whether it could have been theirs.
`;

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  query: { type: 'string' },
  limit: { type: 'string', default: '100' },
} as const;

interface ReplayTerminal {
  readonly say: (line: string) => void;
  readonly note: (line: string) => void;
}

/** Returns the exit code: 1 where a history could not be of this build, 2 for what was typed, also where it left some out. */
export async function replay(argv: readonly string[], { say, note }: ReplayTerminal): Promise<number> {
  try {
    const { positionals: files, values } = parse(argv);
    if (values.help || (files.length === 0) === (values.query === undefined)) {
      (values.help ? say : note)(usage.trimEnd());
      return values.help ? 0 : 2;
    }
    const limit = Number(values.limit);
    if (!Number.isInteger(limit) || limit < 1 || limit > limits.replayHistoriesMax)
      throw new CommandError(2, `--limit has to be a number from 1 to ${limits.replayHistoriesMax}.`);
    const query = values.query;
    const replayed = query === undefined ? replayAll(filesOf(files), say) : replayNamespace({ query, limit, say });
    const { failed, count, isCutOff = false } = await replayed;
    note(`${count} replayed, ${failed} of them could not be of this build.`);
    if (count === 0) note('No workflow matches the query, so this says nothing of the build.');
    if (isCutOff)
      note(
        `The query matches more than ${limit}, and nothing is said of the others: give a larger --limit, or ask less.`,
      );
    if (failed > 0) return 1;
    return count === 0 || isCutOff ? 2 : 0;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    note(error.message);
    return error.exitCode;
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], allowPositionals: true, options });
  } catch (cause) {
    throw new CommandError(2, cause instanceof Error ? cause.message : 'The options are not valid.', { cause });
  }
}

interface Replayed {
  readonly count: number;
  readonly failed: number;
  /** There were more than were asked for. */
  readonly isCutOff?: boolean;
}

async function replayAll(histories: ReplayHistoriesIterable, say: (line: string) => void): Promise<Replayed> {
  const logger = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger, telemetryOptions: { logging: { filter: 'off', forward: {} } } });
  const workflowsPath = fileURLToPath(new URL('../../workflows', import.meta.url));
  const converter = payloadConverterOf(readConfig().secrets.payloadKeys);
  let [count, failed] = [0, 0];
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowsPath, ...converter }, histories)) {
    count += 1;
    if (error !== undefined) failed += 1;
    say(error === undefined ? `${workflowId}  fine` : `${workflowId}  ${error.name}: ${error.message.slice(0, 500)}`);
  }
  return { count, failed };
}

const historySchema = z.looseObject({ events: z.array(z.looseObject({ eventType: z.string() })).min(1) });

/** One at a time: a namespace's worth of them would not fit in memory. */
async function* filesOf(paths: readonly string[]): ReplayHistoriesIterable {
  for (const path of paths) yield { workflowId: basename(path, '.json'), history: await readHistory(path) };
}

async function readHistory(path: string): Promise<unknown> {
  try {
    return historySchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new CommandError(
      2,
      `${path} holds no history. Write one with: temporal workflow show --workflow-id ID --output json`,
      {
        cause,
      },
    );
  }
}

interface NamespaceReplay {
  readonly query: string;
  readonly limit: number;
  readonly say: (line: string) => void;
}

const connectMsMax = 10_000;

async function replayNamespace({ query, limit, say }: NamespaceReplay): Promise<Replayed> {
  const settings = readTemporalSettings(readConfig());
  const connecting = Connection.connect({ ...settings.connection, connectTimeout: connectMsMax });
  const connection = await connecting.catch((cause: unknown) => {
    throw new CommandError(1, noServer(settings, cause).message, { cause });
  });
  const { workflow } = createTemporalClient(settings, connection);
  let count = 0;
  async function* found(): ReplayHistoriesIterable {
    for await (const { workflowId, runId } of workflow.list({ query })) {
      if ((count += 1) > limit) return;
      yield { workflowId, history: await workflow.getHandle(workflowId, runId).fetchHistory() };
    }
  }
  try {
    return { ...(await replayAll(found(), say)), isCutOff: count > limit };
  } finally {
    await connection.close();
  }
}
