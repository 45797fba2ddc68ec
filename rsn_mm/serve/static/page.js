// The page: choices of the user, requests, and what is said about them.

import {BoxTool} from './boxes.js';
import {Overlay, peopleOf} from './overlay.js';

const RETRIES = 4;
const TALLEST = 0.8; // of the window's height

const element = (id) => document.getElementById(id);
const canvas = element('canvas');
const overlay = new Overlay(canvas);
const tool = new BoxTool(overlay, estimate);
let server = null; // models, detector, limits
let file = null;
let response = null;
let running = null; // AbortController of the request

const model = () => server.models[element('model').selectedIndex];
const where = () => document.querySelector('input[name=boxes]:checked').value;

async function start() {
  try {
    server = await (await fetch('api/models')).json();
  } catch {
    return fail('The server does not answer. Start it again and reload this page.');
  }
  for (const {name} of server.models) element('model').append(new Option(name, name));
  const {upload_bytes: bytes, pixels, boxes} = server.limits;
  element('limits').textContent = `up to ${round(bytes / 2 ** 20)} MiB and ${round(pixels / 1e6)} megapixels`;
  tool.most = boxes;
  if (server.detector) {
    element('with-detector').hidden = false;
    document.querySelector('input[value=detector]').checked = true;
  }
  onModel();
  onWhere();
  say('Choose or drop a picture.');
}

async function take(chosen) {
  if (!chosen || !server) return;
  running?.abort();
  fail(null);
  if (chosen.size > server.limits.upload_bytes) {
    return fail(`${chosen.name} is too big: ${round(server.limits.upload_bytes / 2 ** 20)} MiB are the most.`);
  }
  file = chosen;
  forget();
  const url = URL.createObjectURL(chosen);
  const image = new Image();
  image.src = url;
  const shown = await image.decode().then(() => true, () => false); // where it fails, the server says why
  URL.revokeObjectURL(url);
  if (file !== chosen) return;
  overlay.show(shown ? {image, width: image.naturalWidth, height: image.naturalHeight} : {image: null, width: 0, height: 0});
  element('hint').hidden = shown;
  canvas.hidden = !shown;
  fit();
  await estimate();
}

async function estimate() {
  running?.abort();
  overlay.draw();
  if (!file) return;
  fail(null);
  if (where() === 'drawn' && !overlay.boxes.length) {
    forget();
    return say('Draw a box around a person.');
  }
  const mine = running = new AbortController();
  element('busy').hidden = false;
  try {
    const began = performance.now();
    const found = await request(mine.signal);
    response = found;
    present((performance.now() - began) / 1000);
  } catch (error) {
    if (mine.signal.aborted) return;
    forget();
    say('');
    fail(error instanceof TypeError ? 'The server does not answer. It may have been ended.' : error.message);
  } finally {
    if (running === mine) element('busy').hidden = true;
  }
}

async function request(signal) {
  const boxes = where() === 'drawn' ? JSON.stringify(overlay.boxes.map((box) => box.map(round))) : where();
  const query = new URLSearchParams({model: model().name, boxes});
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch(`api/poses?${query}`, {method: 'POST', body: file, signal});
    if (answer.status === 503 && attempt < RETRIES) {
      say('The server is busy; waiting…');
      await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get('Retry-After') || 2)));
      signal.throwIfAborted();
      continue;
    }
    const content = await answer.json().catch(() => ({error: `The server answers with status ${answer.status}.`}));
    if (!answer.ok) throw new Error(content.error);
    return content;
  }
}

function present(seconds) {
  const [{width, height}] = response.images;
  if (!overlay.image) {
    Object.assign(overlay, {width, height});
    element('hint').hidden = true;
    canvas.hidden = false;
    fail('The browser cannot show this picture; the poses are right.');
  } else if (width !== overlay.width || height !== overlay.height) {
    fail('The browser shows this picture turned otherwise than the server reads it; the JSON is right for the upright picture.');
  }
  overlay.people = peopleOf(response, model());
  overlay.model = model();
  overlay.marked = null;
  hideTip();
  fit();
  element('download').disabled = false;
  const count = overlay.people.length;
  const left = response.skipped_boxes ? `; ${response.skipped_boxes} boxes outside the picture left out` : '';
  say(`${count} ${count === 1 ? 'person' : 'people'} in ${width} x ${height} pixels, ${seconds.toFixed(2)}\u00a0s${left}.`);
  canvas.setAttribute('aria-label', `${file.name} with the poses of ${count} ${count === 1 ? 'person' : 'people'}`);
  fillTable();
}

function forget() {
  response = null;
  overlay.people = [];
  element('download').disabled = true;
  hideTip();
  overlay.draw();
  fillTable();
}

function fillTable() {
  const rows = element('joints').open ? overlay.shownJoints() : [];
  element('rows').replaceChildren(...rows.map(({person, joint}) => {
    const row = document.createElement('tr');
    for (const text of [person, joint.name, joint.x.toFixed(1), joint.y.toFixed(1), joint.score.toFixed(2)]) {
      row.insertCell().textContent = text;
    }
    return row;
  }));
}

function mark(found) {
  overlay.marked = found?.joint ?? null;
  overlay.draw();
  if (!found) return hideTip();
  const {person, joint} = found;
  const tip = element('tip');
  tip.textContent = `${overlay.people.length > 1 ? `${person}: ` : ''}${joint.name} ${joint.score.toFixed(2)}`;
  tip.hidden = false;
  const stage = element('stage').getBoundingClientRect();
  const frame = canvas.getBoundingClientRect();
  const left = frame.left - stage.left + (joint.x + 0.5) * overlay.scale + 12;
  tip.style.left = `${Math.max(0, Math.min(left, stage.width - tip.offsetWidth - 6))}px`;
  tip.style.top = `${Math.max(0, frame.top - stage.top + (joint.y + 0.5) * overlay.scale - 32)}px`;
}

function hideTip() {
  element('tip').hidden = true;
}

function walk(step) {
  const joints = overlay.shownJoints();
  if (!joints.length) return;
  const now = joints.findIndex(({joint}) => joint === overlay.marked);
  const next = joints[now < 0 ? (step > 0 ? 0 : joints.length - 1) : (now + step + joints.length) % joints.length];
  mark(next);
  say(`Person ${next.person}: ${next.joint.name}, score ${next.joint.score.toFixed(2)}.`);
}

function download() {
  const [image] = response.images;
  const {annotations, categories} = response;
  const content = JSON.stringify({annotations, images: [{...image, file_name: file.name}], categories}, null, 1);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], {type: 'application/json'}));
  link.download = `${file.name.replace(/\.[^.]*$/, '')}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function onModel() {
  const {input_size: [width, height], keypoint_names: names, score_threshold: threshold} = model();
  element('input-size').textContent = `${names.length} joints, input ${width} x ${height} px`;
  element('threshold').value = threshold;
  onThreshold();
  estimate();
}

function onThreshold() {
  overlay.threshold = Number(element('threshold').value);
  element('threshold-value').textContent = overlay.threshold.toFixed(2);
  mark(null);
  fillTable();
}

function onWhere() {
  tool.active = where() === 'drawn';
  element('drawing').hidden = !tool.active;
  canvas.classList.toggle('drawing', tool.active);
  if (!tool.active) [overlay.boxes, overlay.pending] = [[], null];
  estimate();
}

function fit() {
  overlay.fit(element('stage').clientWidth - 26, TALLEST * window.innerHeight);
}

function say(text) {
  element('status').textContent = text;
}

function fail(text) {
  element('error').hidden = !text;
  element('error').textContent = text ?? '';
}

const round = (value) => Math.round(value * 100) / 100;

element('file').addEventListener('change', (event) => {
  take(event.target.files[0]);
  event.target.value = ''; // so that the same file can be chosen again
});
element('panel').addEventListener('submit', (event) => event.preventDefault());
element('model').addEventListener('change', onModel);
element('where').addEventListener('change', onWhere);
element('threshold').addEventListener('input', onThreshold);
element('download').addEventListener('click', download);
element('undo').addEventListener('click', () => tool.removeLast());
element('clear').addEventListener('click', () => tool.removeAll());
element('joints').addEventListener('toggle', fillTable);
window.addEventListener('resize', fit);
new ResizeObserver(fit).observe(element('stage')); // a scrollbar that comes makes it narrower
for (const kind of ['dragover', 'drop']) {
  window.addEventListener(kind, (event) => {
    event.preventDefault(); // a picture dropped beside the stage would replace the page
    element('stage').classList.toggle('over', kind === 'dragover');
    if (kind === 'drop') take(event.dataTransfer.files[0]);
  });
}
window.addEventListener('dragleave', () => element('stage').classList.remove('over'));
canvas.addEventListener('pointermove', (event) => mark(overlay.jointAt(...overlay.place(event))));
canvas.addEventListener('pointerleave', () => mark(null));
canvas.addEventListener('keydown', (event) => {
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  if (tool.active || !step) return;
  event.preventDefault();
  walk(step);
});

start();
