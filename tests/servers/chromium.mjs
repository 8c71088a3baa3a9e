// Debian's Chromium without a screen, driven by playwright-core. Takes a JSON object a line: {address, width, height, dark, language, steps}; `steps`
// is the body of an async function of `page` and `axe`. Answers with a JSON object a line: what it returned, and what went on meanwhile.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const [executablePath, ...more] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', ...QUIET, ...more] });
const Steps = Object.getPrototypeOf(async () => {}).constructor;

async function run({ address, width = 1280, height = 900, dark = false, language = 'en', steps }) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', locale: language, timezoneId: 'Asia/Tokyo', reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const requests = [];
  const errors = [];
  context.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('dialog', (dialog) => { errors.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const axe = async () => {
    if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run({ resultTypes: ['violations'] }));
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
  };
  try {
    await page.goto(address);
    const result = await new Steps('page', 'axe', 'context', steps)(page, axe, context);
    return { result, requests, errors };
  } catch (error) {
    return { failure: String(error?.stack ?? error), requests, errors };
  } finally {
    await context.close();
  }
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) process.stdout.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
await browser.close();
