import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import express, { type RequestHandler } from 'express';
import { Pool } from 'pg';
import { finishedSignalName, textbookTaskQueue, textbookType } from './contract.ts';

const { DATABASE_URL, TEMPORAL_ADDRESS, PORT } = process.env;
const pool = new Pool({ connectionString: DATABASE_URL, max: 10 });
const client = new Client({ connection: await Connection.connect({ address: TEMPORAL_ADDRESS ?? '' }) });

const app = express();
app.use(express.json());

function createVideo(): RequestHandler {
  return async (request, response) => {
    const id = randomUUID();
    const prompt = String(request.body.prompt);
    await pool.query("INSERT INTO textbook_jobs (id, prompt, status) VALUES ($1, $2, 'queued')", [id, prompt]);
    await client.workflow.start(textbookType, { taskQueue: textbookTaskQueue, workflowId: id, args: [{ id, prompt }] });
    response.status(202).json({ id });
  };
}

function callback(): RequestHandler<{ id: string }> {
  return async (request, response) => {
    if (request.body.status === 'completed') {
      const [videoUrl] = request.body.outputs;
      await client.workflow.getHandle(request.params.id).signal(finishedSignalName, { videoUrl });
    }
    response.sendStatus(204);
  };
}

app.post('/videos', createVideo());
app.post('/callbacks/:id', callback());
// A backlog as large as ours: a burst that is refused by the kernel says nothing about either design.
app.listen({ port: Number(PORT), host: '127.0.0.1', backlog: 4_096 }, () => console.log('textbook API is up'));
