import type { Page } from 'playwright-core';
import { describe, expect, test } from 'vitest';
import { useStack, type Video, videoOf } from '../support/stack.ts';
import { until } from '../support/until.ts';
import { chromiumPath, expectAccessible, untilHolds, useBrowser } from './browser.ts';

const key = 'a-key-of-the-tests-of-the-page';
const stack = useStack(() => ({ env: { SPILLWAY_API_KEY: key } }));
const views = useBrowser();

async function open(): Promise<Page> {
  const page = await views.open(stack.url);
  await page.getByLabel('API key').waitFor();
  return page;
}

/** As another program of the same tenant's. */
async function call(path: string, body?: string): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  return await fetch(`${stack.url}${path}`, { headers, ...(body === undefined ? {} : { method: 'POST', body }) });
}

async function madeElsewhere(): Promise<Video> {
  const body = JSON.stringify({ prompt: 'made by another program', model: 'wan-2.6' });
  const { id } = await videoOf(await call('/v1/videos', body), 202);
  stack.follow(id);
  return await until('it is made', async () => {
    const video = await videoOf(await call(`/v1/videos/${id}`), 200);
    return video.status === 'completed' ? video : undefined;
  });
}

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  test('a key is asked for, a wrong one is refused, and the right one stays in its tab', async () => {
    const page = await open();
    await expectAccessible(page);
    await page.getByLabel('API key').fill('clé, à vous');
    await page.keyboard.press('Enter');
    await page.getByText('Copy it again.').waitFor();
    await page.getByLabel('API key').fill('a-key-that-is-not-ours');
    await page.keyboard.press('Enter');
    await page.getByText('The server does not take this key.').waitFor();
    await page.getByLabel('API key').fill(key);
    await page.keyboard.press('Enter');
    await page.locator('#work').waitFor();

    // A server that is busy says nothing of the key.
    await page.route('**/v1/models', (route) => route.fulfill({ status: 503 }));
    await page.reload();
    await page.getByLabel('API key').waitFor();
    await page.unroute('**/v1/models');
    await page.reload();
    await page.locator('#work').waitFor();
    const kept = await page.evaluate<unknown>(
      '[localStorage.length, document.cookie, location.href, Object.values(sessionStorage)]',
    );
    expect(kept).toEqual([0, '', `${stack.url}/`, [key]]);
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByLabel('API key').waitFor();
    expect(await page.evaluate<string>('JSON.stringify({ ...sessionStorage })')).not.toContain(key);
  });

  test('a video is followed and played by its token: the key stands in no URL', async () => {
    const page = await open();
    const urls: string[] = [];
    page.on('request', (request) => void urls.push(request.url()));
    await page.getByLabel('API key').fill(key);
    await page.keyboard.press('Enter');
    await page.getByLabel('Prompt').fill('by its token');
    await page.getByRole('button', { name: 'Make the video' }).click();
    await page.waitForURL(/#video_/);
    stack.follow(new URL(page.url()).hash.slice(1));
    await page.locator('#status[data-status=completed]').waitFor();
    await untilHolds(page, 'document.querySelector("#player").readyState >= 2');

    const path = (part: string): string => urls.find((url) => url.includes(part)) ?? '';
    expect(path('/events')).toMatch(/\?token=spw_job_/);
    expect(path('/content')).toMatch(/\?token=spw_job_/);
    expect(urls.filter((url) => url.includes(key))).toEqual([]);
  });

  test('a video of the same tenant that another program asked for is listed, and plays all the same', async () => {
    const { id } = await madeElsewhere();
    const page = await open();
    await page.getByLabel('API key').fill(key);
    await page.keyboard.press('Enter');
    await page.locator(`#recent a[href="#${id}"]`).click();
    await page.locator('#status[data-status=completed]').waitFor();
    await untilHolds(page, 'document.querySelector("#player").readyState >= 2');
    expect(await page.evaluate<string>('document.querySelector("#player").src')).toMatch(/^blob:/);
  });
});
