import { download } from 'diffora/browser';

const at = (selector) => document.querySelector(selector);
const form = at('#train');
const trying = at('#try');
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });

// A link may set the fields: ?url=…&method=lora&epochs=2
for (const [name, value] of new URLSearchParams(location.search)) {
  const field = form.elements.namedItem(name);
  if (field !== null) field.value = value;
}

const sample = {
  praise: [
    'Works like a charm',
    'Arrived a day early',
    'My daughter loves it',
    'Worth every penny',
    'Best kettle I ever had',
    'Easy to set up',
    'Sturdy and quiet',
    'Would buy it again',
    'Thank you for the quick help',
    'Looks even better than on the picture',
    'A pleasure to use every morning',
    'Perfect size for our kitchen',
  ],
  complaint: [
    'Broke on the first day',
    'The box was empty',
    'Nobody answers my mails',
    'It smells of glue',
    'Too loud to use at night',
    'Wrong colour, twice',
    'The handle came off',
    'I want my money back',
    'It stopped working after a week',
    'The instructions make no sense',
    'Late, and the parcel was damaged',
    'The worst purchase of the year',
  ],
};
const rowsField = form.elements.rows;
if (rowsField.value === '') {
  const lines = Object.entries(sample).flatMap(([label, texts]) => texts.map((text) => `${label}, ${text}`));
  rowsField.value = lines.join('\n');
}

/** `label, text` or `label<tab>text`, a line each. */
function examples() {
  const lines = rowsField.value.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    const [, label, text] = /^([^,\t]+)[,\t]\s*(.+)$/.exec(line.trim()) ?? [];
    if (text === undefined) throw new Error(`Line ${i + 1} has no label and text: ${line}`);
    return { label: label.trim(), text };
  });
}

function count() {
  try {
    const counts = Map.groupBy(examples(), ({ label }) => label);
    at('#counted').textContent = [...counts].map(([label, rows]) => `${rows.length} ${label}`).join(', ');
  } catch (error) {
    at('#counted').textContent = error.message;
  }
}
rowsField.addEventListener('input', count);
count();

let losses = [];

function status(text, state = 'busy') {
  at('#status').textContent = text;
  at('#status').classList.toggle('failed', state === 'failed');
  document.body.dataset.state = state;
  const isBusy = state === 'busy';
  for (const button of form.querySelectorAll('[type=submit]')) button.disabled = isBusy;
  at('#stop').disabled = !isBusy;
  const isReady = state === 'trained';
  for (const field of trying.querySelectorAll('input, button')) field.disabled = !isReady;
}

function svg(name, attributes, text = '') {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function drawLosses(total) {
  const highest = Math.max(...losses, 1e-9);
  const [left, right, top, bottom] = [44, 590, 10, 138];
  const x = (i) => left + ((right - left) * i) / Math.max(total - 1, 1);
  const y = (loss) => bottom - ((bottom - top) * loss) / highest;
  at('#chart').replaceChildren(
    svg('line', { x1: left, y1: bottom, x2: right, y2: bottom }),
    svg('line', { x1: left, y1: top, x2: left, y2: bottom }),
    svg('text', { x: left - 6, y: top + 8, 'text-anchor': 'end' }, highest.toFixed(2)),
    svg('text', { x: left - 6, y: bottom, 'text-anchor': 'end' }, '0'),
    svg('text', { x: right, y: bottom + 16, 'text-anchor': 'end' }, `step ${total}`),
    svg('polyline', { points: losses.map((loss, i) => `${x(i)},${y(loss)}`).join(' ') }),
  );
  const last = losses.at(-1);
  at('#chart').setAttribute('aria-label', `Loss after ${losses.length} of ${total} steps: ${last.toFixed(3)}`);
}

function drawMatrix({ modules, values, gamma }) {
  const all = values.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const cell = (name, text, options = {}) =>
    Object.assign(document.createElement(name), { textContent: text, ...options });
  const head = document.createElement('tr');
  head.append(
    cell('td', ''),
    ...modules.map((name) =>
      cell(
        'th',
        name
          .replace(/\.dense$/, '')
          .split('.')
          .slice(-2)
          .join(' '),
        { scope: 'col', title: name },
      ),
    ),
  );
  const body = values.map((row, layer) => {
    const line = document.createElement('tr');
    line.append(cell('th', `layer ${layer}`, { scope: 'row' }));
    for (const [column, value] of row.entries()) {
      const isKept = gamma[layer][column] === 1;
      const box = cell('td', value.toFixed(3), { className: isKept ? 'kept' : '' });
      box.style.setProperty('--share', high > low ? (value - low) / (high - low) : 0);
      box.setAttribute('aria-label', `${modules[column]}, ${value.toFixed(3)}${isKept ? ', kept' : ''}`);
      line.append(box);
    }
    return line;
  });
  const parts = [document.createElement('thead'), document.createElement('tbody')];
  parts[0].append(head);
  parts[1].append(...body);
  at('#matrix').replaceChildren(...parts);
  at('#matrix-figure').hidden = false;
}

const heard = {
  status: (text) => status(text),
  note: (sentence) => at('#notes').append(Object.assign(document.createElement('li'), { textContent: sentence })),
  search({ step, total, loss }) {
    at('#bar').value = (step + 1) / total;
    status(`Learning where to adapt: step ${step + 1} of ${total}, loss ${loss?.toFixed(3) ?? '–'}`);
  },
  matrix: drawMatrix,
  step({ step, totalSteps, loss }) {
    losses.push(loss ?? losses.at(-1) ?? 0);
    at('#bar').value = (step + 1) / totalSteps;
    drawLosses(totalSteps);
    status(`Training: step ${step + 1} of ${totalSteps}, loss ${loss?.toFixed(3) ?? '–'}`);
  },
  trained({ scores, trainable, device }) {
    const told = Object.entries(scores).map(([name, value]) => `${name} ${value.toFixed(3)}`);
    status(
      `Trained ${trainable.toLocaleString()} numbers on ${device}. Held-out examples: ${told.join(', ')}.`,
      'trained',
    );
  },
  answer({ label, score }) {
    at('#answer').textContent = `${label}  ${score.toFixed(3)}`;
  },
  files: (files) => download(files, 'adapter.zip'),
  failed: (message) => status(message, 'failed'),
};
worker.addEventListener('message', ({ data: { kind, value } }) => heard[kind](value));
worker.addEventListener('error', (event) => status(event.message || 'The worker could not be started.', 'failed'));

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { url, device, method, epochs, batchSize, maxLength } = Object.fromEntries(new FormData(form));
  losses = [];
  at('#chart').replaceChildren();
  at('#matrix-figure').hidden = true;
  at('#notes').replaceChildren();
  at('#bar').value = 0;
  at('#answer').textContent = '';
  try {
    const settings = { method, epochs: Number(epochs), batchSize: Number(batchSize), maxLength: Number(maxLength) };
    worker.postMessage({ order: 'train', url, device, rows: examples(), settings });
    status('Opening the model…');
  } catch (error) {
    status(error.message, 'failed');
  }
});
at('#stop').addEventListener('click', () => worker.postMessage({ order: 'stop' }));
trying.addEventListener('submit', (event) => {
  event.preventDefault();
  worker.postMessage({ order: 'predict', text: trying.elements.text.value });
});
at('#download').addEventListener('click', () => worker.postMessage({ order: 'save' }));
