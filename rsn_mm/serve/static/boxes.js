// Boxes that the user draws, by pointer or by keys.

import {clamp} from './overlay.js';

const LEAST = 6; // CSS px; a shorter drag is a click
const STEP = 0.02; // of the picture's longer side, a key press
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

export class BoxTool {
  /** changed() is called when a box has been added or removed; at most `most` boxes are taken. */
  constructor(overlay, changed) {
    Object.assign(this, {overlay, changed, most: Infinity, active: false, start: null});
    const {canvas} = overlay;
    canvas.addEventListener('pointerdown', (event) => this.begin(event));
    canvas.addEventListener('pointermove', (event) => this.drag(event));
    canvas.addEventListener('pointerup', () => this.end());
    canvas.addEventListener('pointercancel', () => this.cancel());
    canvas.addEventListener('keydown', (event) => this.key(event));
  }

  begin(event) {
    if (!this.active || event.button !== 0) return;
    this.overlay.canvas.setPointerCapture(event.pointerId);
    this.start = this.overlay.place(event);
  }

  drag(event) {
    if (!this.start) return;
    const [x, y] = this.overlay.place(event);
    const [startX, startY] = this.start;
    this.overlay.pending = [Math.min(x, startX), Math.min(y, startY), Math.max(x, startX), Math.max(y, startY)];
    this.overlay.draw();
  }

  end() {
    const box = this.start && this.overlay.pending;
    this.start = null;
    const least = Math.max(1, LEAST / this.overlay.scale);
    if (box && box[2] - box[0] >= least && box[3] - box[1] >= least) this.add(box);
    else this.cancel();
  }

  cancel() {
    this.start = null;
    this.overlay.pending = null;
    this.overlay.draw();
  }

  key(event) {
    if (!this.active || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in ARROWS) this.nudge(ARROWS[event.key], event.shiftKey);
    else if (event.key === 'Enter' && this.overlay.pending) this.add(this.overlay.pending);
    else if (event.key === 'Escape') this.cancel();
    else if (event.key === 'Delete' || event.key === 'Backspace') this.removeLast();
    else return;
    event.preventDefault();
  }

  nudge([alongX, alongY], resize) {
    const {width, height} = this.overlay;
    const step = Math.max(1, STEP * Math.max(width, height));
    const [left, top, right, bottom] = this.overlay.pending ?? [width / 4, height / 4, 3 * width / 4, 3 * height / 4];
    if (resize) {
      this.overlay.pending = [left, top, clamp(right + step * alongX, left + 1, width), clamp(bottom + step * alongY, top + 1, height)];
    } else {
      const x = clamp(left + step * alongX, 0, width - (right - left));
      const y = clamp(top + step * alongY, 0, height - (bottom - top));
      this.overlay.pending = [x, y, x + right - left, y + bottom - top];
    }
    this.overlay.draw();
  }

  add(box) {
    this.overlay.pending = null;
    if (this.overlay.boxes.length < this.most) this.overlay.boxes.push(box);
    this.changed();
  }

  removeLast() {
    this.overlay.boxes.pop();
    this.changed();
  }

  removeAll() {
    this.overlay.boxes = [];
    this.changed();
  }
}
