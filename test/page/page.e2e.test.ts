import type { Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { useStack } from '../support/stack.ts';
import { until } from '../support/until.ts';
import {
  chromiumPath,
  expectAccessible,
  expectNoSidewaysScroll,
  readSelfie,
  untilHolds,
  useBrowser,
  type ViewOptions,
} from './browser.ts';

/** One place at each provider, so that there is a line to stand in; and only one provider, so that there is one line. */
const stack = useStack(() => ({
  limits: { outstanding: 1, perMinute: 5_000 },
  providers: ['wavespeed'],
  env: { SIMULATOR_TIME_SCALE: '0.04' },
}));
const views = useBrowser();

async function open(options: ViewOptions = {}): Promise<Page> {
  const page = await views.open(stack.url, options);
  await page.locator('#work').waitFor();
  return page;
}

/** Asks for a video on the page, without a picture, and has the auditor follow it. */
async function submit(page: Page, prompt: string): Promise<string> {
  await page.getByLabel('Prompt').fill(prompt);
  await page.getByRole('button', { name: 'Remove the picture' }).click();
  await page.getByRole('button', { name: 'Make the video' }).click();
  return await shownId(page);
}

async function shownId(page: Page): Promise<string> {
  await page.waitForURL(/#video_/);
  const id = new URL(page.url()).hash.slice(1);
  stack.follow(id);
  return id;
}

async function untilStatus(page: Page, status: string): Promise<void> {
  await page.locator(`#status[data-status=${status}]`).waitFor();
}

/** Whoever comes next has to stand in line, until it is said that this one ends. */
async function takeThePlace(): Promise<() => Promise<void>> {
  const { id } = await stack.accept({ prompt: '[sim:stuck] ahead of it', patience_seconds: 600 });
  await until('it is at the provider', () => predictionOf(id));
  // Whatever becomes of this test, the next one finds its place.
  onTestFinished(() => finish(id).catch(() => undefined));
  return () => finish(id);
}

async function finish(id: string): Promise<void> {
  await stack.vendor.finish(await until('it is at the provider', () => predictionOf(id)));
}

async function predictionOf(id: string): Promise<string | undefined> {
  const predictions = await stack.vendor.predictions();
  return predictions.find(({ correlation }) => correlation?.startsWith(id))?.id;
}

describe.skipIf(chromiumPath === undefined)('in a browser', () => {
  test('the page is filled in for the demo, accessible, and no wider than a small screen', async () => {
    const page = await open();
    expect(await page.getByLabel('Prompt').inputValue()).not.toBe('');
    await page.getByRole('img').or(page.locator('#preview')).first().waitFor();
    expect(await page.getByText('Simulated providers').isVisible()).toBe(true);
    expect(await page.getByLabel('Model').inputValue()).toBe('wan-2.6');
    await expectAccessible(page);
    await expectAccessible(await open({ colorScheme: 'dark' }));
    const narrow = await open({ width: 320 });
    await expectNoSidewaysScroll(narrow);
    await expectAccessible(narrow);
  });

  test('a prompt and a selfie become a video that plays, and everything on the way is told as it happens', async () => {
    const leaveThePlace = await takeThePlace();
    const page = await open();
    await page.getByLabel('Prompt').fill('[sim:stuck] A wave to the camera');
    await page.locator('#selfie').setInputFiles(await readSelfie());
    await page.locator('#selfie-text', { hasText: 'me.jpg' }).waitFor();
    await page.getByLabel('Length').selectOption('10');
    await page.getByRole('button', { name: 'Make the video' }).click();
    const id = await shownId(page);

    await untilStatus(page, 'queued');
    await page.locator('#waiting', { hasText: 'Next in line' }).waitFor();
    await expectAccessible(page);
    await leaveThePlace();
    await untilStatus(page, 'in_progress');
    await untilHolds(page, 'document.querySelector("#progress").value >= 10');
    await expectAccessible(page);
    await finish(id);
    await untilStatus(page, 'completed');

    await untilHolds(page, 'document.querySelector("#player").readyState >= 2');
    await page.evaluate('document.querySelector("#player").play()');
    await untilHolds(page, 'document.querySelector("#player").currentTime > 0.1');
    // It is read a moment after the last event.
    const story = /in line[^]*sent to wavespeed[^]*has made it[^]*Done\./;
    await page.locator('#timeline', { hasText: story }).waitFor();
    const facts = await page.locator('#facts').innerText();
    expect(facts).toMatch(/simulator/);
    expect(facts).toMatch(/\$\d/);
    await page.evaluate('document.querySelector("#player").pause()');
    await expectAccessible(page);

    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download' }).click();
    expect((await downloading).suggestedFilename()).toBe(`${id}.mp4`);
    await page.setViewportSize({ width: 320, height: 700 });
    await expectNoSidewaysScroll(page);
    await expectAccessible(page);
    await page.reload();
    await untilStatus(page, 'completed');
  });

  test('a video that fails says why and what to do, in the words of the API', async () => {
    const page = await open({ colorScheme: 'dark' });
    await submit(page, '[sim:moderation] something not allowed');
    await untilStatus(page, 'failed');
    const problem = page.locator('#stage-problem');
    await problem.getByText('Change the prompt or the picture.').waitFor();
    expect(await page.locator('#live').textContent()).toMatch(/^Failed\. .*content policy/);
    await expectAccessible(page);
  });

  test('a request that is not valid is explained at its field, and nothing is made', async () => {
    const page = await open();
    const prompt = page.getByLabel('Prompt');
    await prompt.fill('   ');
    await page.getByRole('button', { name: 'Make the video' }).click();
    await page.locator('#prompt-error', { hasText: 'must not be empty' }).waitFor();
    expect(await prompt.getAttribute('aria-invalid')).toBe('true');
    expect(await page.evaluate('document.activeElement.id')).toBe('prompt');
    await expectAccessible(page);

    await page.locator('#selfie').setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('no') });
    await page.getByText('This has to be a JPEG, PNG or WebP picture.').waitFor();
    // It says that it is a picture, and only the server can tell.
    const buffer = Buffer.from('this is no picture at all');
    await page.locator('#selfie').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer });
    await prompt.fill('a face');
    await page.getByRole('button', { name: 'Make the video' }).click();
    await untilHolds(page, 'document.querySelector("#selfie").getAttribute("aria-invalid") === "true"');
    expect(new URL(page.url()).hash).toBe('');
  });

  test('a picture can be dropped, and removed again', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'Remove the picture' }).click();
    expect(await page.evaluate('document.activeElement.id')).toBe('selfie');
    await page.evaluate(`fetch('/page/selfie.jpg').then((answer) => answer.blob()).then((blob) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([blob], 'dropped.jpg', { type: 'image/jpeg' }));
      document.querySelector('#drop').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    })`);
    await page.locator('#selfie-text', { hasText: 'dropped.jpg' }).waitFor();
    expect(await page.locator('#preview').isVisible()).toBe(true);
  });

  test('a video that waits is cancelled, deleted after a question, and leaves a receipt', async () => {
    const leaveThePlace = await takeThePlace();
    const page = await open();
    const id = await submit(page, 'to be cancelled');
    await untilStatus(page, 'queued');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await untilStatus(page, 'cancelled');
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await expectAccessible(page);
    await page.keyboard.press('Escape');
    expect((await stack.get(id)).status).toBe('cancelled');
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await page.locator('#receipt').getByText(id).waitFor();
    expect(await page.locator('#receipt').innerText()).toContain('the prompt and all other wishes');
    expect(await page.evaluate('document.activeElement.id')).toBe('stage-title');
    expect(await page.locator(`#recent a[href="#${id}"]`).count()).toBe(0);
    expect((await fetch(`${stack.url}/v1/videos/${id}`)).status).toBe(404);
    await expectAccessible(page);
    await leaveThePlace();
  });

  test('the keyboard alone is enough, and it shows where one is', async () => {
    const page = await open();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('prompt');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('by keyboard');
    const passed: string[] = [];
    while (passed.at(-1) !== 'submit' && passed.length < 20) {
      await page.keyboard.press('Tab');
      passed.push(await page.evaluate<string>('document.activeElement.id'));
      const isSeen = await page.evaluate<boolean>(`(() => {
        const { activeElement } = document;
        return [activeElement, activeElement.parentElement].some((one) => getComputedStyle(one).outlineStyle === 'solid');
      })()`);
      expect(isSeen).toBe(true);
    }
    expect(passed).toEqual(['selfie', 'selfie-remove', 'model', 'seconds', 'size', 'submit']);
    await page.keyboard.press('Enter');
    await shownId(page);
    expect(await page.evaluate('document.activeElement.id')).toBe('submit');
    await untilStatus(page, 'completed');
  });

  test('without a stream the page asks again, as often as the server wishes', async () => {
    const page = await open();
    await page.route('**/events*', (route) => route.fulfill({ status: 503, body: '' }));
    await submit(page, 'by questions');
    await untilStatus(page, 'completed');
    expect(await page.locator('#facts').innerText()).toContain('simulator');
  });

  test('a request whose answer was lost is sent again as the same one', async () => {
    const page = await open();
    let answered = '';
    await page.route('**/v1/videos', async (route) => {
      if (route.request().method() !== 'POST' || answered !== '') return await route.continue();
      const answer = await route.fetch();
      answered = String((await answer.json()).id);
      return await route.abort();
    });
    await page.getByLabel('Prompt').fill('whose answer is lost');
    await page.getByRole('button', { name: 'Make the video' }).click();
    await page.getByText('The server does not answer.').waitFor();
    await page.getByRole('button', { name: 'Make the video' }).click();
    expect(await shownId(page)).toBe(answered);
    await untilStatus(page, 'completed');
  });
});
