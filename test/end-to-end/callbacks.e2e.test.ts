import { expect, test } from 'vitest';
import { useStack, type Video } from '../support/stack.ts';
import { until } from '../support/until.ts';

const stack = useStack();

async function served(prompt: string): Promise<Video> {
  const { id } = await stack.accept({ prompt });
  const video = await stack.untilFinal(id);
  expect(video).toMatchObject({ status: 'completed', error: null, attempts: 1 });
  return video;
}

/** How the provider was known to be done. */
async function evidenceOf(id: string): Promise<string | undefined> {
  const { rows } = await stack.pool.query<{ evidence: string }>('SELECT evidence FROM attempts WHERE job = $1', [id]);
  return rows[0]?.evidence;
}

test('a request becomes a video', async () => {
  const video = await served('a paper boat');
  expect(video.served_by).toEqual({ provider: 'simulator', model: 'alibaba/wan-2.6/text-to-video' });
  expect(await evidenceOf(video.id)).toBe('callback');
  const content = await fetch(`${stack.url}/v1/videos/${video.id}/content`);
  expect(content.status).toBe(200);
  expect(Buffer.from(await content.arrayBuffer()).toString('latin1', 4, 8)).toBe('ftyp');
});

test('every callback is lost: the poll finds the end', async () => {
  await stack.vendor.faults([{ share: 1, fault: { kind: 'callback-lost' } }]);
  try {
    const videos = await Promise.all(Array.from({ length: 8 }, (_, index) => served(`silence ${index}`)));
    for (const { id } of videos) expect(await evidenceOf(id)).toBe('check');
  } finally {
    await stack.vendor.faults([]);
  }
});

test('a forged callback changes nothing, before the true one and without one', async () => {
  const before = await stack.vendor.counts();
  const [first, only] = await Promise.all([
    served('[sim:callback-forged=first] forged'),
    served('[sim:callback-forged=only] forged'),
  ]);
  expect(await evidenceOf(only.id)).toBe('check');
  expect(await evidenceOf(first.id)).toMatch(/callback|check/);
  // Of the three that were sent only the true one was taken.
  const acknowledged = async () => (await stack.vendor.counts()).callbacks_acknowledged;
  await until('the true callback is acknowledged', async () => (await acknowledged()) > before.callbacks_acknowledged);
  expect(await acknowledged()).toBe(before.callbacks_acknowledged + 1);
});

test('a callback to a URL of nobody is not taken', async () => {
  const { id } = await served('not yours');
  const events = await timeline(id);
  const urls = [`${id}.1/not-the-token`, `${id}.2/not-the-token`, 'nonsense/not-the-token'];
  for (const url of urls) {
    const answer = await fetch(`${stack.url}/v1/callbacks/wavespeed/${url}`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(404);
  }
  expect(await timeline(id)).toEqual(events);
});

test('a callback may come twenty times, before the answer to the submit, out of order, or be about something else', async () => {
  const prompts = [
    '[sim:callback-duplicated=20] twenty times',
    '[sim:callback-early] early',
    '[sim:callback-early][sim:submit-slow=1500] long before the answer',
    '[sim:callback-out-of-order] out of order',
    '[sim:callback-wrong-body=other-id] about another operation',
    '[sim:callback-wrong-body=not-json] not readable',
  ];
  const videos = await Promise.all(prompts.map(served));
  expect(videos).toHaveLength(prompts.length);
});

test('a callback that comes after the end is acknowledged and changes nothing', async () => {
  const before = await stack.vendor.counts();
  const { id } = await served('[sim:callback-delayed=3500] late');
  expect(await evidenceOf(id)).toBe('check');
  const events = await timeline(id);
  await until('the late callback is acknowledged', async () => {
    const { callbacks_acknowledged } = await stack.vendor.counts();
    return callbacks_acknowledged > before.callbacks_acknowledged;
  });
  expect(await timeline(id)).toEqual(events);
});

async function timeline(id: string): Promise<readonly unknown[]> {
  const { rows } = await stack.pool.query('SELECT seq, kind FROM job_events WHERE job = $1 ORDER BY seq', [id]);
  return rows;
}
