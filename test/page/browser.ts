import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { until } from '../support/until.ts';

const usualPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Debian's Chromium, or another one. Undefined: there is none here, and the tests of the page are left out. */
export const chromiumPath = findChromium();

function findChromium(): string | undefined {
  const named = process.env['CHROMIUM_PATH'];
  const found = (named === undefined ? usualPaths : [named]).find(isProgram);
  if (found === undefined)
    process.stderr.write(
      'No Chromium was found, so the page is not tested. Install it (`apt-get install chromium`), or set CHROMIUM_PATH.\n',
    );
  return found;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Nothing of its own may call out, and a machine of tests has neither a display nor a user to protect. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface ViewOptions {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

export interface Views {
  open(url: string, options?: ViewOptions): Promise<Page>;
}

/** One browser for the tests of a file; each page has a profile of its own, and no test may leave a fault behind. */
export function useBrowser(): Views {
  let browser: Browser | undefined;
  const contexts: BrowserContext[] = [];
  const faults: string[] = [];
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath ?? '', args: flags });
  });
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    expect(faults.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
  });
  return {
    async open(url, { width = 1200, colorScheme = 'light' } = {}) {
      if (browser === undefined) throw new Error('it is not there before the tests run');
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      contexts.push(context);
      const page = await context.newPage();
      page.setDefaultTimeout(45_000);
      watch(page, { origin: new URL(url).origin, faults });
      await page.goto(url);
      return page;
    },
  };
}

/** Errors of scripts, breaches of the policy, and requests that leave for elsewhere. */
function watch(page: Page, { origin, faults }: { origin: string; faults: string[] }): void {
  page.on('console', (message) => {
    // An answer that is a problem is told to the user; the browser logs each of them besides.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol.startsWith('http')) faults.push(`a request to ${url.origin}`);
  });
}

/** Waits until an expression holds in the page. Playwright's own way evaluates text within it, which its policy forbids. */
export async function untilHolds(page: Page, expression: string): Promise<void> {
  await until(expression, () => page.evaluate<boolean>(expression), { withinMs: 45_000 });
}

/** What axe has to say against the page as it is now: nothing. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<unknown>(`axe.run(document).then(({ violations }) =>
    violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => [html, failureSummary]) })))`);
  expect(found).toEqual([]);
}

/** Whoever has a narrow screen scrolls one way only. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const beyond = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
  expect(beyond).toBeLessThanOrEqual(0);
}

export async function readSelfie(): Promise<{ name: string; mimeType: string; buffer: Buffer }> {
  const buffer = await readFile(new URL('../../assets/selfie.jpg', import.meta.url));
  return { name: 'me.jpg', mimeType: 'image/jpeg', buffer };
}
