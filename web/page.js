// The form, the file and what is shown. What is computed, and every text of a result, is in the WebAssembly module.
import init, { about, Session } from './wgpu_norm_web.js';

const by = id => document.getElementById(id);
const form = by('form');
const fields = [...document.querySelectorAll('[data-field]')];

let crate;
let session;
let file;
let busy = false;

const say = text => { by('status').textContent = text; };

// Says what is wrong, and goes to the field that it names first.
function complain(text) {
  by('problem').textContent = text;
  for (const control of form.elements) control.removeAttribute('aria-invalid');
  const field = form.elements[text.match(/^(\w+) is /)?.[1]];
  if (field) {
    field.setAttribute('aria-invalid', 'true');
    field.focus();
  }
}

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Shows the fields of the op. One that nobody has changed gets the default of this op.
function showFields() {
  const op = crate.ops.find(op => op.name === form.elements.op.value);
  const wanted = new Map([['shape', op.shape], ...op.fields]);
  for (const field of fields) {
    const name = field.dataset.field;
    const control = form.elements[name];
    const ofFile = file && (name === 'shape' || name === 'affine');
    field.hidden = !wanted.has(name) || ofFile;
    control.disabled = field.hidden;
    if (wanted.has(name) && control.value === (control.dataset.default ?? control.value)) {
      control.value = control.dataset.default = wanted.get(name);
    }
  }
}

function choose(chosen) {
  file = chosen;
  by('clear').hidden = !file;
  showFields();
  if (file) say(`${file.name}, ${file.size.toLocaleString('en')} bytes`);
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    complain('');
    say(`Copied ${what}.`);
  } catch {
    complain(`The browser keeps the clipboard from this page: select ${what} and copy it by hand.`);
  }
}

function showResult(answer) {
  by('rows').replaceChildren(...answer.rows.map(([name, value]) => {
    const row = document.createElement('tr');
    row.append(make('th', name, { scope: 'row' }), make('td', value));
    return row;
  }));
  // From the module, of numbers alone.
  by('histograms').innerHTML = answer.svg;
  by('save').dataset.file = answer.file;
  by('kernels').replaceChildren(...answer.kernels.map((kernel, i) => {
    const details = document.createElement('details');
    const summary = make('summary', `${i + 1} of ${answer.kernels.length}: `);
    summary.append(make('code', kernel.name), `, entry point main, workgroup size ${kernel.workgroup_size}, `
      + `${kernel.workgroups.join(' × ')} workgroups`);
    const button = make('button', 'Copy the WGSL', { type: 'button' });
    button.addEventListener('click', () => copy(kernel.wgsl, `the WGSL of ${kernel.name}`));
    details.append(summary, button, make('pre', kernel.wgsl, { tabindex: 0, 'aria-label': `WGSL of ${kernel.name}` }));
    return details;
  }));
  by('result').hidden = false;
}

const report = () => session.report(new Date().toISOString().slice(0, 10));

function showReport() {
  const [names, ...rows] = JSON.parse(session.measured());
  const isNumber = column => column >= names.indexOf('kernels');
  const cell = (tag, rest) => (text, column) => make(tag, text, { class: isNumber(column) ? 'number' : '', ...rest });
  const head = document.createElement('tr');
  head.append(...names.map(cell('th', { scope: 'col' })));
  const body = rows.map(cells => {
    const row = document.createElement('tr');
    row.append(...cells.map(cell('td')));
    // It ends in what went wrong.
    if (cells.length < names.length) {
      row.lastChild.className = 'wrong';
      row.lastChild.colSpan = names.length - cells.length + 1;
    }
    return row;
  });
  by('measured').replaceChildren(head, ...body);
  by('text').querySelector('pre').textContent = report();
  by('reported').hidden = by('copy').hidden = rows.length === 0;
}

// One thing at a time. Buttons that are busy keep the focus.
async function occupied(work) {
  if (busy) return;
  busy = true;
  const buttons = [by('run'), by('all')];
  buttons.forEach(button => button.setAttribute('aria-disabled', 'true'));
  complain('');
  by('result').hidden = true;
  try {
    await work();
  } catch (error) {
    say('');
    complain(error.message);
  } finally {
    showReport();
    buttons.forEach(button => button.removeAttribute('aria-disabled'));
    busy = false;
  }
}

const run = () => occupied(async () => {
  say('Normalizing …');
  const request = { ...Object.fromEntries(new FormData(form)), file: file?.name ?? null };
  const bytes = file ? new Uint8Array(await file.arrayBuffer()) : undefined;
  showResult(JSON.parse(await session.run(JSON.stringify(request), bytes)));
  say('Done.');
});

const runAll = () => occupied(async () => {
  const requests = JSON.parse(session.all());
  let wrong = 0;
  for (const [i, request] of requests.entries()) {
    say(`${i + 1} of ${requests.length}: ${request.op}, ${request.direction} …`);
    // The report says why.
    await session.run(JSON.stringify(request)).catch(() => { wrong += 1; });
    showReport();
  }
  say(`Done: ${requests.length} measured.`);
  if (wrong) complain(`${wrong} of ${requests.length} went wrong. Please send the report, which says how.`);
});

function save() {
  const url = URL.createObjectURL(new Blob([session.saved()], { type: 'application/octet-stream' }));
  make('a', '', { href: url, download: by('save').dataset.file }).click();
  setTimeout(() => URL.revokeObjectURL(url));
  say(`Saved ${by('save').dataset.file}.`);
}

// The ops and the addresses that the module knows.
function showCrate() {
  for (const over of new Set(crate.ops.map(op => op.over))) {
    const group = make('optgroup', '', { label: over });
    group.append(...crate.ops.filter(op => op.over === over).map(op => make('option', op.label, { value: op.name })));
    by('op').append(group);
  }
  by('activation').append(...crate.activations.map(name => make('option', name)));
  const links = { documentation: crate.documentation };
  if (crate.repository) {
    links.readme = `${crate.repository}#readme`;
    links.examples = `${crate.repository}/tree/main/examples`;
    by('where').replaceChildren(make('a', 'in an issue', { href: crate.issues }));
  }
  for (const [id, href] of Object.entries(links)) {
    by(id).href = href;
    by(id).hidden = false;
  }
  by('version').textContent = crate.version;
  showFields();
}

// What the browser tells of its adapter. wgpu hands on the description alone.
async function browser() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  // The last two only with Chromium's developer features.
  const { vendor, architecture, device, description, driver, backend } = adapter?.info ?? {};
  return { userAgent: navigator.userAgent, vendor, architecture, device, description, driver, backend };
}

form.addEventListener('submit', event => { event.preventDefault(); run(); });
by('op').addEventListener('change', showFields);
by('all').addEventListener('click', runAll);
by('save').addEventListener('click', save);
by('copy').addEventListener('click', () => copy(`\`\`\`text\n${report()}\`\`\`\n`, 'the report'));
by('file').addEventListener('change', () => choose(by('file').files[0]));
by('clear').addEventListener('click', () => { by('file').value = ''; choose(undefined); say(''); by('file').focus(); });
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
  by('drop').addEventListener(name, event => {
    event.preventDefault();
    by('drop').classList.toggle('over', over);
    if (name === 'drop' && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}

try {
  await init();
  crate = JSON.parse(about());
  showCrate();
  if (!navigator.gpu) {
    throw new Error('This browser has no WebGPU. Chrome and Edge have it from version 113, Firefox from 141, '
      + 'Safari from 26; on Linux it may have to be turned on in the settings.');
  }
  session = await Session.open(JSON.stringify(await browser())).catch(error => {
    throw new Error(`This browser has WebGPU, but no GPU for this page (${error.message}).`);
  });
  by('device').textContent = session.device();
  by('gpu').hidden = false;
  by('run').disabled = by('all').disabled = false;
  say('Ready.');
} catch (error) {
  say('');
  complain(error.message);
}
