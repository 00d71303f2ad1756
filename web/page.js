// The form, the file and the result. What is computed is in the WebAssembly module.
import init, { Session } from './wgpu_norm_web.js';

const by = id => document.getElementById(id);
const say = text => { by('status').textContent = text; };
const complain = text => { by('problem').textContent = text; };

let session;
let file;

function choose(chosen) {
  file = chosen;
  by('clear').hidden = !file;
  by('shape').disabled = Boolean(file);
  if (file) say(`${file.name}, ${file.size.toLocaleString('en')} bytes`);
}

function shape() {
  const parts = by('shape').value.split(/[\s,x]+/).filter(Boolean);
  const axes = parts.map(Number);
  if (!parts.length || !axes.every(n => Number.isInteger(n) && n > 0)) {
    throw new Error(`Shape: "${by('shape').value}", expected lengths of axes such as 1024, 768`);
  }
  return axes;
}

function groups() {
  const n = Number(by('groups').value);
  if (!Number.isInteger(n) || n < 1) throw new Error(`Groups: "${by('groups').value}", expected a number from 1`);
  return n;
}

function show(answer) {
  const rows = [
    ['op', answer.op],
    ['shape', answer.shape.join(' × ')],
    ['stored as', answer.dtype],
    ['method', answer.method],
    ['time', `${answer.milliseconds.toPrecision(3)} ms`],
    ['speed', `${answer.percent_of_copy.toFixed(0)} % of copy bandwidth`],
    ['bandwidth', `${answer.gb_per_s.toPrecision(3)} GB/s`],
    ['largest error', `${answer.error.toFixed(3)} of the promised bound`],
  ];
  by('rows').replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement('tr');
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    const cell = document.createElement('td');
    cell.textContent = value;
    row.append(head, cell);
    return row;
  }));
  // From the module, of numbers alone.
  by('histograms').innerHTML = answer.svg;
  by('result').hidden = false;
}

async function run() {
  complain('');
  by('result').hidden = true;
  by('run').disabled = true;
  try {
    const request = {
      op: by('op').value, dtype: by('dtype').value, groups: groups(),
      shape: file ? [] : shape(), file: file?.name ?? null,
    };
    say('Normalizing …');
    const bytes = file ? new Uint8Array(await file.arrayBuffer()) : undefined;
    show(JSON.parse(await session.run(JSON.stringify(request), bytes)));
    say('Done.');
  } catch (error) {
    say('');
    complain(error.message);
  } finally {
    by('run').disabled = false;
  }
}

by('form').addEventListener('submit', event => { event.preventDefault(); run(); });
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
  if (!navigator.gpu) {
    throw new Error('This browser has no WebGPU. Chrome and Edge have it from version 113, Firefox from 141, '
      + 'Safari from 26; on Linux it may have to be turned on in the settings.');
  }
  await init();
  session = await Session.open().catch(error => {
    throw new Error(`This browser has WebGPU, but no GPU for this page (${error.message}).`);
  });
  by('device').textContent = session.device();
  by('run').disabled = false;
  say('Ready.');
} catch (error) {
  say('');
  complain(error.message);
}
