// node page.mjs CHROMIUM URL DATA SCREENSHOT: uses the page as a visitor does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const [executablePath, url, data, screenshot] = process.argv.slice(2);
const PATIENCE = 240_000;
const ALWAYS = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'];
// Chromium leaves WebGPU out where there is no GPU, unless it is told otherwise.
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const text = (page, selector) => page.$eval(selector, element => element.textContent.trim());
const visible = (page, selector) => page.$eval(selector, element => element.checkVisibility());

async function open(args) {
  const browser = await puppeteer.launch({ executablePath, headless: true, args: [...ALWAYS, ...args] });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.setViewport({ width: 1000, height: 1250 });
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  await page.goto(url);
  // Ready, or an explanation.
  await page.waitForFunction(() => document.querySelector('#status').textContent === 'Ready.'
    || document.querySelector('#problem').textContent !== '');
  return { browser, page, errors };
}

// Normalizes with what the form says; the status, or what went wrong.
async function run(page, press = () => page.click('#run')) {
  await press();
  await page.waitForFunction(() => document.querySelector('#status').textContent === 'Done.'
    || document.querySelector('#problem').textContent !== '');
  return await text(page, '#problem') || await text(page, '#status');
}

async function rows(page) {
  const cells = rows => rows.map(row => [row.cells[0].textContent, row.cells[1].textContent]);
  return Object.fromEntries(await page.$$eval('#rows tr', cells));
}

async function fill(page, selector, value) {
  await page.$eval(selector, (element, value) => { element.value = value; }, value);
}

const { browser, page, errors } = await open(WEBGPU);
assert.equal(await text(page, '#status'), 'Ready.', await text(page, '#problem'));
console.log(await text(page, '#device'));

for (const op of await page.$$eval('#op option', options => options.map(option => option.value))) {
  await page.select('#op', op);
  for (const dtype of ['f32', 'f16', 'bf16']) {
    await page.select('#dtype', dtype);
    await fill(page, '#shape', op.endsWith('rms_norm') || op === 'layer_norm' ? '64, 768' : '4, 6, 32');
    assert.equal(await run(page), 'Done.', op);
    const shown = await rows(page);
    assert.ok(shown.op.startsWith(op), shown.op);
    assert.equal(shown['stored as'], dtype);
    assert.ok(parseFloat(shown.bandwidth) > 0, JSON.stringify(shown));
    assert.match(shown.speed, /^\d+ % of copy bandwidth$/);
    assert.ok(parseFloat(shown['largest error']) <= 1, JSON.stringify(shown));
    assert.equal(await page.$$eval('#histograms svg', all => all.length), 1);
  }
}

// By keyboard alone, from the shape to the button.
await page.select('#op', 'layer_norm');
await page.select('#dtype', 'f32');
await page.click('#shape', { clickCount: 3 });
await page.keyboard.type('1024 x 768');
assert.equal(await run(page, () => page.keyboard.press('Enter')), 'Done.');
assert.equal((await rows(page)).shape, '1024 × 768');
await page.screenshot({ path: screenshot });

// What is wrong is said, and the page goes on.
await fill(page, '#shape', '12, zero');
assert.match(await run(page), /^Shape: "12, zero", expected lengths/);
assert.ok(!await visible(page, '#result'));
await fill(page, '#shape', '100000, 100000');
assert.match(await run(page), /this page takes 1 to \d+ elements/);
await page.select('#op', 'group_norm');
await fill(page, '#shape', '4, 7, 32');
assert.match(await run(page), /groups/);
await fill(page, '#shape', '4, 6, 32');
assert.equal(await run(page), 'Done.');

// A file, chosen.
await page.select('#op', 'layer_norm');
const choose = async file => (await page.$('#file')).uploadFile(file);
await choose(path.join(data, 'minilm-layer5-output.safetensors'));
await page.waitForFunction(() => document.querySelector('#shape').disabled);
assert.equal(await run(page), 'Done.');
assert.match((await rows(page)).shape, /384$/);

// A file, dropped.
await page.$eval('#drop', drop => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }".padEnd(117) + '\n';
  const bytes = new Uint8Array(10 + 118 + 32);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, 118, 0, ...new TextEncoder().encode(header)]);
  bytes.set(new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6, 7, 9]).buffer), 128);
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], 'dropped.npy'));
  drop.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
});
assert.match(await text(page, '#status'), /^dropped.npy, 160 bytes/);
assert.equal(await run(page), 'Done.');
assert.equal((await rows(page)).shape, '2 × 4');

// Bad files.
const bad = fs.mkdtempSync(path.join(os.tmpdir(), 'page-'));
for (const [name, content, problem] of [
  ['bad.npy', 'not numbers', /bad.npy: begins with "not": no .npy file/],
  ['bad.safetensors', 'neither', /bad.safetensors: 7 bytes, shorter than its header/],
  ['bad.txt', 'at all', /bad.txt, expected a .safetensors or .npy file/],
]) {
  fs.writeFileSync(path.join(bad, name), content);
  await choose(path.join(bad, name));
  assert.match(await run(page), problem);
}
fs.rmSync(bad, { recursive: true });
await page.click('#clear');
assert.equal(await run(page), 'Done.');
assert.deepEqual(errors, []);
await browser.close();

// A browser with WebGPU but no adapter, and one without WebGPU.
const without = await open([]);
assert.match(await text(without.page, '#problem'), /^This browser has WebGPU, but no GPU for this page/);
assert.equal(await without.page.$eval('#run', button => button.disabled), true);
await without.page.evaluateOnNewDocument(() => { delete Navigator.prototype.gpu; });
await without.page.reload();
await without.page.waitForFunction(() => document.querySelector('#problem').textContent !== '');
assert.match(await text(without.page, '#problem'), /^This browser has no WebGPU/);
assert.deepEqual(without.errors, []);
await without.browser.close();
console.log('the page works');
