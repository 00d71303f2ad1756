// node page.mjs CHROMIUM URL REPOSITORY SCREENSHOT: uses the page as a visitor does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import puppeteer from 'puppeteer-core';

const [executablePath, url, repository, screenshot] = process.argv.slice(2);
const PATIENCE = 120_000;
const ALWAYS = ['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--no-first-run'];
// Chromium leaves WebGPU out where there is no GPU, unless it is told otherwise.
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const text = (page, selector) => page.$eval(selector, element => element.textContent.trim());
const visible = (page, selector) => page.$eval(selector, element => element.checkVisibility());
const value = (page, selector) => page.$eval(selector, element => element.value);
const focused = page => page.evaluate(() => document.activeElement.id);

const ready = page => page.waitForFunction(() => document.querySelector('#status').textContent === 'Ready.'
  || document.querySelector('#problem').textContent !== '');

async function open(args) {
  const browser = await puppeteer.launch({ executablePath, headless: true, args: [...ALWAYS, ...args] });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.setViewport({ width: 1280, height: 1250 });
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  // A host may have the page in any folder. The icon is in the page, and files of the visitor are.
  page.on('request', request => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) errors.push(request.url());
  });
  await page.goto(url);
  await ready(page);
  return { browser, page, errors };
}

// Normalizes with what the form says, or does what takes as long; the status, or what went wrong.
async function run(page, press = () => page.click('#run')) {
  await page.$eval('#status', status => { status.textContent = ''; });
  await press();
  await page.waitForFunction(() => document.querySelector('#status').textContent.startsWith('Done')
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

async function overflows(page) {
  return page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
}

const { browser, page, errors } = await open(WEBGPU);
assert.equal(await text(page, '#status'), 'Ready.', await text(page, '#problem'));
console.log(await text(page, '#device'));

// What it is a page of, and where that is: no address that the manifest does not have.
const manifest = fs.readFileSync(path.join(repository, 'Cargo.toml'), 'utf8');
const field = name => manifest.match(new RegExp(`^${name} = "(.*)"`, 'm'))?.[1];
const version = `wgpu-norm ${field('version')}`;
assert.ok((await text(page, '#version')).startsWith(version));
assert.equal(await page.$eval('#documentation', link => link.href), 'https://docs.rs/wgpu-norm');
const issues = field('repository') && `${field('repository')}/issues`;
assert.equal(await page.$eval('#where', where => where.querySelector('a')?.href), issues);
for (const link of ['#readme', '#examples']) assert.equal(await visible(page, link), Boolean(field('repository')), link);

// Options are there where they apply, with PyTorch's defaults.
const CHANNELS = { eps: '1e-5', activation: 'none', layout: 'first', shape: '8, 64, 32, 32' };
const ROWS = { axes: '-1', activation: 'none', affine: 'yes', shape: '1024, 768' };
const FIELDS = {
  layer_norm: { ...ROWS, eps: '1e-5' },
  rms_norm: { ...ROWS, eps: '1.1920929e-7' },
  lp_normalize: { axes: '1', p: '2', eps: '1e-12', activation: 'none', shape: '1024, 768' },
  group_norm: { ...CHANNELS, affine: 'yes', groups: '32' },
  instance_norm: { ...CHANNELS, affine: 'no' },
  batch_norm: { ...CHANNELS, affine: 'yes' },
  batch_norm_inference: { ...CHANNELS, affine: 'yes' },
  local_response_norm: { size: '5', alpha: '1e-4', beta: '0.75', k: '1', layout: 'first', shape: CHANNELS.shape },
};
const OPS = Object.keys(FIELDS);
const offered = await page.$$eval('#op option', options => options.map(option => option.value));
assert.deepEqual(offered, OPS);
for (const op of OPS) {
  await page.select('#op', op);
  const shown = await page.$$eval('[data-field]', fields => fields.map(field => {
    const control = field.querySelector('input, select');
    return [field.dataset.field, field.checkVisibility(), control.disabled, control.value, control.labels.length];
  }));
  for (const [name, there, disabled, value, labels] of shown) {
    assert.deepEqual([there, disabled, labels], [name in FIELDS[op], !(name in FIELDS[op]), 1], `${op}: ${name}`);
    if (there) assert.equal(value, FIELDS[op][name], `${op}: ${name}`);
  }
}

// Each op is right, and its WGSL is shown. Below, each runs in both directions.
const types = ['f32', 'f16', 'bf16'];
for (const [i, op] of OPS.entries()) {
  const [dtype, direction] = [types[i % 3], ['forward', 'backward'][i % 2]];
  await page.select('#op', op);
  await page.select('#dtype', dtype);
  await page.select('#direction', direction);
  await fill(page, '#groups', '2');
  await fill(page, '#shape', 'axes' in FIELDS[op] ? '64, 768' : '4 x 6 x 32');
  assert.equal(await run(page), 'Done.', op);
  const shown = await rows(page);
  assert.ok(shown.op.startsWith(op.replace('_inference', '')), shown.op);
  assert.equal(shown.op.endsWith('_backward'), direction === 'backward', shown.op);
  assert.equal(shown['stored as'], dtype);
  assert.ok(parseFloat(shown.time) > 0 && parseFloat(shown.bandwidth) > 0, JSON.stringify(shown));
  assert.match(shown.speed, /^\d+ % of copy bandwidth$/);
  assert.ok(parseFloat(shown['largest error']) <= 1, JSON.stringify(shown));
  assert.match(shown.adapter, /swiftshader/i);
  assert.match(shown.browser, /Chrome/);
  assert.equal(await page.$$eval('#histograms svg', all => all.length), 2);
  const kernels = await page.$$eval('#kernels details', all => all.map(one => one.textContent));
  assert.equal(kernels.length, shown.kernels.split(', ').length);
  for (const kernel of kernels) assert.match(kernel, /entry point main, workgroup size \d+, [^]*@compute[^]*fn main\(/);
}

// Options reach the op.
await page.select('#op', 'group_norm');
for (const [selector, value] of [['#dtype', 'f32'], ['#direction', 'forward'], ['#layout', 'last']]) {
  await page.select(selector, value);
}
await page.select('#activation', 'gelu');
await page.select('#affine', 'no');
await fill(page, '#eps', '1e-3');
// Five channels would not be in two groups.
await fill(page, '#shape', '4, 5, 6');
assert.equal(await run(page), 'Done.');
assert.equal((await rows(page)).options, 'groups=2 eps=1e-3 affine=no activation=gelu layout=last');
assert.doesNotMatch(await text(page, '#kernels'), /> (weight|bias):/);
await page.select('#affine', 'yes');
await page.select('#direction', 'backward');
assert.equal(await run(page), 'Done.');
assert.match((await rows(page)).kernels, /, merge_sums, /);
assert.match(await text(page, '#kernels'), /> weight:/);
await page.select('#direction', 'forward');
// What the visitor wrote stays with another op.
await page.select('#op', 'layer_norm');
assert.equal(await value(page, '#eps'), '1e-3');
await page.select('#activation', 'none');
await fill(page, '#eps', '1e-5');

// What is wrong is said in the crate's words, and the page goes on.
for (const [op, selector, wrong, problem] of [
  ['layer_norm', '#shape', '12, zero', /^shape is "12, zero", expected lengths of axes/],
  ['layer_norm', '#shape', '100000, 100000', /^shape is \[100000, 100000\], expected 1 to \d+ elements/],
  ['layer_norm', '#axes', '5', /^axes is 5..6, expected one or more of the 2 axes of \[64, 768\]$/],
  ['layer_norm', '#axes', '-1..9', /^axes is 1..9, expected one or more of the 2 axes/],
  ['layer_norm', '#axes', 'last', /^axes is "last", expected an axis such as -1/],
  ['layer_norm', '#eps', '-1', /^eps is -1, expected a finite number that is not negative$/],
  ['layer_norm', '#eps', 'small', /^eps is "small", expected a number$/],
  ['group_norm', '#groups', '5', /^groups is 5, expected a divisor of the 768 channels$/],
  ['local_response_norm', '#size', '0', /^size is 0, expected one channel or more$/],
  ['local_response_norm', '#alpha', 'inf', /^alpha is inf, expected a finite number$/],
  ['local_response_norm', '#beta', '0', /^beta is 0, expected a finite number above zero$/],
  ['local_response_norm', '#k', 'nan', /^k is NaN, expected a finite number$/],
]) {
  await page.select('#op', op);
  await fill(page, '#shape', '64, 768');
  const before = await value(page, selector);
  await fill(page, selector, wrong);
  assert.match(await run(page), problem);
  assert.ok(!await visible(page, '#result'));
  assert.equal(await focused(page), selector.slice(1));
  assert.equal(await page.$eval(selector, control => control.getAttribute('aria-invalid')), 'true');
  await fill(page, selector, before);
}
await page.select('#op', 'layer_norm');
assert.equal(await run(page), 'Done.');
assert.equal((await page.$$('[aria-invalid]')).length, 0);

// The WGSL is copied, or the visitor knows that it is not.
const allow = permissions => browser.defaultBrowserContext().overridePermissions(new URL(url).origin, permissions);
const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
const copied = async (button, what) => {
  await page.click(button);
  await page.waitForFunction(what => document.querySelector('#messages').textContent.includes(what), {}, what);
};
await page.click('#kernels summary');
await allow([]);
await copied('#kernels button', 'keeps the clipboard from this page');
await allow(['clipboard-read', 'clipboard-sanitized-write']);
await copied('#kernels button', 'Copied the WGSL of row.');
assert.equal(await clipboard(), await page.$eval('#kernels pre', pre => pre.textContent));
assert.equal(await text(page, '#problem'), '');

// A file, chosen.
const choose = async file => (await page.$('#file')).uploadFile(file);
await choose(path.join(repository, 'examples/data/minilm-layer5-output.safetensors'));
await page.waitForFunction(() => document.querySelector('#shape').disabled);
assert.ok(!await visible(page, '#shape') && !await visible(page, '#affine'));
assert.equal(await run(page), 'Done.');
assert.match((await rows(page)).shape, /384$/);
await page.select('#op', 'batch_norm_inference');
assert.match(await run(page), /running_mean: missing, the op reads it/);

// A file, dropped; its result, saved.
const npy = (values, shape) => {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`.padEnd(117) + '\n';
  const head = [0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, 118, 0, ...new TextEncoder().encode(header)];
  return [...head, ...new Uint8Array(new Float32Array(values).buffer)];
};
await page.select('#op', 'lp_normalize');
await page.select('#p', '1');
await page.select('#activation', 'relu');
await page.$eval('#drop', (drop, bytes) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([new Uint8Array(bytes)], 'dropped.npy'));
  drop.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
}, npy([1, 2, 3, -2, 5, 6, 7, -14], [2, 4]));
assert.match(await text(page, '#status'), /^dropped.npy, 160 bytes/);
assert.equal(await run(page), 'Done.');
assert.equal((await rows(page)).shape, '2x4');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'page-'));
const client = await browser.target().createCDPSession();
await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder, eventsEnabled: true });
const downloaded = new Promise(resolve => {
  client.on('Browser.downloadProgress', ({ state }) => { if (state === 'completed') resolve(); });
});
await page.click('#save');
await downloaded;
const saved = fs.readFileSync(path.join(folder, 'lp_normalize-output.npy'));
const numbers = saved.length - 32;
assert.match(saved.toString('latin1', 0, numbers), /^\x93NUMPY.*'descr': '<f4'.*'shape': \(2, 4\)/);
// The sums of magnitudes are powers of two.
assert.deepEqual([...new Float32Array(new Uint8Array(saved.subarray(numbers)).buffer)],
  [0.125, 0.25, 0.375, 0, 0.15625, 0.1875, 0.21875, 0]);

// Bad files.
for (const [name, content, problem] of [
  ['bad.npy', 'not numbers', /bad.npy: begins with "not": no .npy file/],
  ['bad.safetensors', 'neither', /bad.safetensors: 7 bytes, shorter than its header/],
  ['bad.txt', 'at all', /bad.txt, expected a .safetensors or .npy file/],
]) {
  fs.writeFileSync(path.join(folder, name), content);
  await choose(path.join(folder, name));
  assert.match(await run(page), problem);
}
fs.rmSync(folder, { recursive: true });
await page.click('#clear');
assert.ok(await visible(page, '#shape'));
assert.equal(await run(page), 'Done.');

// A GPU that computes something else: the visitor is told, and so is who reads the report.
await page.evaluate(() => {
  const { writeBuffer } = GPUQueue.prototype;
  GPUQueue.prototype.writeBuffer = () => {};
  globalThis.repair = () => { GPUQueue.prototype.writeBuffer = writeBuffer; };
});
assert.match(await run(page), /^THE RESULT IS WRONG: output/);
assert.match(await text(page, '#measured tr:last-child'), /^lp_normalize p=1 activation=relu.*THE RESULT IS WRONG: output/);
await page.evaluate(() => globalThis.repair());

// By keyboard alone. Everything can be reached, and shows that it has the focus.
await page.reload();
await ready(page);
const reached = [];
for (;;) {
  await page.keyboard.press('Tab');
  const [name, outline] = await page.evaluate(() => {
    const { activeElement: element } = document;
    return [element.id || element.tagName, getComputedStyle(element).outlineWidth];
  });
  if (name === 'BODY' || reached.includes(name)) break;
  assert.equal(outline, '3px', name);
  reached.push(name);
}
const links = field('repository') ? ['documentation', 'readme', 'examples'] : ['documentation'];
const form = ['op', 'direction', 'axes', 'eps', 'activation', 'shape', 'dtype', 'affine', 'file', 'run'];
assert.deepEqual(reached.filter(name => name !== 'A'), [...links, ...form, 'all', 'SUMMARY']);
await page.focus('#op');
await page.keyboard.press('ArrowDown');
assert.equal(await value(page, '#op'), 'rms_norm');
for (let i = 0; i < form.indexOf('shape'); i += 1) await page.keyboard.press('Tab');
assert.equal(await focused(page), 'shape');
await page.keyboard.type('1024 x 768');
assert.equal(await run(page, () => page.keyboard.press('Enter')), 'Done.');
assert.equal((await rows(page)).shape, '1024x768');
assert.equal(await focused(page), 'shape');
await page.focus('#kernels summary');
await page.keyboard.press('Enter');
assert.ok(await page.$eval('#kernels details', details => details.open));

// All ops, in the report.
await page.focus('#all');
assert.equal(await run(page, () => page.keyboard.press('Space')), `Done: ${2 * OPS.length} measured.`);
assert.equal(await focused(page), 'all');
const report = await text(page, '#text pre');
for (const line of [
  new RegExp(`^${version} \\([0-9a-f]{10}\\), in a browser, \\d{4}-\\d\\d-\\d\\d$`, 'm'),
  /^adapter {14}google, swiftshader/mi, /^driver {15}\S/m, /^browser {14}\(.*Chrome/m, /^timed by {13}\S/m,
  /^op +shape +type +method +kernels +ms +copy +GB\/s +error$/m,
  /^copy: % of copy bandwidth/m, /^error: the largest difference from f64/m,
  /^backend, type {8}webgpu/m, /^workgroup {12}\d+ invocations/m, /^layer norm {11}\[4096, 768\] \S+/m,
]) assert.match(report, line);
assert.equal(report.match(/^send this to {9}(\S+)$/m)?.[1], issues);
const NAMES = OPS.map(op => (op === 'batch_norm' ? 'batch_norm_training' : op));
for (const name of NAMES.flatMap(name => [name, `${name}_backward`])) {
  const line = report.match(new RegExp(`^${name} .*? \\S+x\\S+ +f32 +\\S+ +\\d+ +[\\d.]+ +\\d+ % +[\\d.]+ +([\\d.]+)$`, 'm'));
  assert.ok(line && parseFloat(line[1]) <= 1, `${name}:\n${report}`);
}
await copied('#copy', 'Copied the report.');
assert.equal(await clipboard(), `\`\`\`text\n${report}\n\`\`\`\n`);
console.log(report);

// Nothing is wider than a phone, whatever is open.
await run(page);
await page.screenshot({ path: screenshot, fullPage: true });
await page.setViewport({ width: 390, height: 844 });
await page.$$eval('details', all => all.forEach(details => { details.open = true; }));
assert.ok(!await overflows(page), 'wider than 390 pixels');
for (const op of OPS) {
  await page.select('#op', op);
  assert.ok(!await overflows(page), `wider than 390 pixels: ${op}`);
}
await fill(page, '#shape', '1'.repeat(200));
assert.match(await run(page), /^shape is/);
assert.ok(!await overflows(page), 'a problem is wider than 390 pixels');
assert.deepEqual(errors, []);
await browser.close();

// A browser with WebGPU but no adapter, and one without WebGPU.
const without = await open([]);
assert.match(await text(without.page, '#problem'), /^This browser has WebGPU, but no GPU for this page/);
for (const button of ['#run', '#all']) assert.ok(await without.page.$eval(button, button => button.disabled));
await without.page.evaluateOnNewDocument(() => { delete Navigator.prototype.gpu; });
await without.page.reload();
await without.page.waitForFunction(() => document.querySelector('#problem').textContent !== '');
assert.match(await text(without.page, '#problem'), /^This browser has no WebGPU/);
assert.deepEqual(without.errors, []);
await without.browser.close();
console.log('the page works');
