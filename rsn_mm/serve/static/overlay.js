// A picture with boxes, skeletons and joints on a canvas. Coordinates are in px of the picture.

const LINE = 0.008; // of the box's longer side, as in rsn-mm predict
const REACH = 14; // CSS px within which the pointer means a joint

/** People of a response: box [x, y, width, height] and joints {name, x, y, score, colour}. */
export function peopleOf(response, model) {
  return response.annotations.map(({bbox, keypoints}) => ({
    box: bbox,
    joints: model.keypoint_names.map((name, i) => ({
      name, x: keypoints[3 * i], y: keypoints[3 * i + 1], score: keypoints[3 * i + 2], colour: rgb(model.keypoint_colours[i]),
    })),
  }));
}

export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.scale = 1; // CSS px per px of the picture
    this.show({image: null, width: 0, height: 0});
  }

  /** Show a picture without people; image may be null where the browser cannot decode it. */
  show({image, width, height}) {
    Object.assign(this, {image, width, height, people: [], model: null, threshold: 0, boxes: [], pending: null, marked: null});
  }

  /** Fit the picture into an area of CSS px, and draw it. */
  fit(mostWidth, mostHeight) {
    if (!this.width || mostWidth <= 0) return;
    this.scale = Math.min(mostWidth / this.width, mostHeight / this.height);
    const [width, height] = [this.width, this.height].map((side) => Math.max(1, Math.round(side * this.scale)));
    const density = window.devicePixelRatio || 1;
    Object.assign(this.canvas.style, {width: `${width}px`, height: `${height}px`});
    this.canvas.width = Math.round(width * density);
    this.canvas.height = Math.round(height * density);
    this.draw();
  }

  draw() {
    if (!this.width) return;
    const context = this.canvas.getContext('2d');
    const factor = this.canvas.width / this.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(factor, 0, 0, factor, 0, 0);
    if (this.image) context.drawImage(this.image, 0, 0, this.width, this.height);
    const pixel = 1 / this.scale;
    for (const person of this.people) {
      strokeBox(context, person.box, pixel, '#ffffffb0', []);
      this.drawPerson(context, person, pixel);
    }
    for (const [left, top, right, bottom] of [...this.boxes, ...(this.pending ? [this.pending] : [])]) {
      strokeBox(context, [left, top, right - left, bottom - top], pixel, '#facc15', [6 * pixel, 4 * pixel]);
    }
  }

  drawPerson(context, person, pixel) {
    const size = Math.max(person.box[2], person.box[3]);
    const width = clamp(LINE * size, 1.5 * pixel, 5 * pixel);
    const shown = (joint) => joint.score >= this.threshold;
    context.lineCap = 'round';
    this.model.skeleton.forEach(([start, end], i) => {
      const [a, b] = [person.joints[start], person.joints[end]];
      if (!shown(a) || !shown(b)) return;
      context.beginPath();
      context.moveTo(a.x + 0.5, a.y + 0.5); // (0, 0) is the middle of the first pixel
      context.lineTo(b.x + 0.5, b.y + 0.5);
      context.lineWidth = width;
      context.strokeStyle = rgb(this.model.link_colours[i]);
      context.stroke();
    });
    for (const joint of person.joints.filter(shown)) {
      context.beginPath();
      context.arc(joint.x + 0.5, joint.y + 0.5, (joint === this.marked ? 2.4 : 1.3) * width, 0, 2 * Math.PI);
      context.fillStyle = joint.colour;
      context.fill();
      context.lineWidth = 0.35 * width;
      context.strokeStyle = joint === this.marked ? '#facc15' : '#0b120ecc';
      context.stroke();
    }
  }

  /** Joints that are shown, person by person: {person, joint}. */
  shownJoints() {
    return this.people.flatMap((person, i) => person.joints.filter((joint) => joint.score >= this.threshold)
      .map((joint) => ({person: i + 1, joint})));
  }

  /** The shown joint nearest to a place, within reach. */
  jointAt(x, y) {
    let nearest = null;
    let least = REACH / this.scale;
    for (const one of this.shownJoints()) {
      const distance = Math.hypot(one.joint.x + 0.5 - x, one.joint.y + 0.5 - y);
      if (distance < least) [nearest, least] = [one, distance];
    }
    return nearest;
  }

  /** Place of a pointer event, within the picture. */
  place(event) {
    const frame = this.canvas.getBoundingClientRect();
    return [clamp((event.clientX - frame.left) / this.scale, 0, this.width),
      clamp((event.clientY - frame.top) / this.scale, 0, this.height)];
  }
}

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const rgb = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;

function strokeBox(context, [x, y, width, height], pixel, colour, dashes) {
  context.setLineDash(dashes);
  context.lineWidth = 2 * pixel;
  context.strokeStyle = colour;
  context.strokeRect(x, y, width, height);
  context.setLineDash([]);
}
