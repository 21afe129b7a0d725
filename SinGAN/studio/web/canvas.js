/* The canvas: <singan-canvas id=".." mode="look | paint | edit | mask | arrange"></singan-canvas>.
   The page gives it a picture by singanLoad(id, json), and takes what was drawn by singanValue(id).
   With data-whole a painting is sent even if nothing was drawn. With data-then="id" that button is pressed when a drawing rests.
   A drawing is a list of operations, which are drawn again after an undo, and are kept for each picture and mode. */

const TOOLS = {
  look: [],
  paint: [["brush", "Brush"], ["fill", "Fill"], ["pick", "Pick a colour"], ["erase", "Eraser"]],
  edit: [["copy", "Copy a part"], ["cut", "Move a part"], ["add", "Mark more"], ["less", "Mark less"]],
  mask: [["add", "Brush"], ["lasso", "Draw round it"], ["box", "Box"], ["less", "Eraser"]],
  arrange: [["brush", "Brush"], ["lasso", "Draw round it"], ["fill", "Fill"], ["erase", "Eraser"]],
};
const STEPS = { now: "1. In your photo", wanted: "2. In the new picture" }; // of an arrangement: which part is where
const HINTS = {
  look: "Your picture. The wheel or two fingers zoom, dragging moves it.",
  paint: "Paint rough shapes. Details are added later.",
  edit: "Draw closely round a part, then drag it. The square resizes it, the circle turns it. What will change is red.",
  mask: "Brush over what is to go, or draw round it. What will change is red.",
  now: "Give each part of the photo a colour, roughly. What you leave is one part, too: the rest.",
  wanted: "Paint where the parts shall be.",
};
const MARK = "#e6283c", DRAWINGS = "singan-drawings", KEPT = 20;
const pending = {};

function make(tag, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function readKept() {
  try { return JSON.parse(localStorage.getItem(DRAWINGS)) || {}; } catch { return {}; }
}

class SinganCanvas extends HTMLElement {
  connectedCallback() {
    if (this.view) return;
    this.mode = this.getAttribute("mode");
    this.isWhole = this.hasAttribute("data-whole"); // also a drawing without a stroke is sent
    this.step = "now";
    this.usualGround = this.isWhole ? "colour" : "photo";
    this.drawings = {}; // by picture and mode
    this.pictures = {}; // decoded, by data URL
    this.pointers = new Map();
    this.stepBar = make("div", this, { className: "singan-bar singan-steps", role: "group" });
    this.stepBar.setAttribute("aria-label", "Steps");
    this.bar = make("div", this, { className: "singan-bar", role: "toolbar" });
    this.bar.setAttribute("aria-label", "Drawing tools");
    this.swatches = make("div", this, { className: "singan-bar singan-swatches", role: "group" });
    this.swatches.setAttribute("aria-label", "Colours");
    const frame = make("div", this, { className: "singan-frame" });
    this.view = make("canvas", frame, { tabIndex: 0 });
    this.view.setAttribute("role", "img");
    this.cover = make("div", frame, { className: "singan-cover", textContent: "Opening the picture .." });
    this.carry = make("div", this, { className: "singan-bar singan-carry", hidden: true, role: "toolbar" });
    this.carry.setAttribute("aria-label", "The part that you carry");
    for (const [words, act] of [
      ["Smaller", () => this.reshape(1 / 1.1, 0)], ["Larger", () => this.reshape(1.1, 0)],
      ["Turn left", () => this.reshape(1, -Math.PI / 24)], ["Turn right", () => this.reshape(1, Math.PI / 24)],
      ["Put it down", () => this.place()], ["Throw it away", () => this.drop()],
    ]) make("button", this.carry, { type: "button", textContent: words, onclick: act });
    this.hint = make("p", this, { className: "singan-hint" });
    this.view.onpointerdown = (event) => this.down(event);
    this.view.onpointermove = (event) => this.move(event);
    this.view.onpointerup = this.view.onpointercancel = (event) => this.up(event);
    this.view.onpointerleave = () => { this.cursor = null; this.draw(); };
    this.view.onkeydown = (event) => this.key(event);
    this.view.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    new ResizeObserver(() => this.fit()).observe(this);
    this.setMode(this.mode);
    if (pending[this.id]) this.load(pending[this.id]);
  }

  // The tools of a mode, and the drawing of the picture in it.
  setMode(mode) {
    if (this.real) this.place();
    this.mode = mode;
    this.bar.replaceChildren();
    this.stepBar.replaceChildren();
    this.steps = mode === "arrange" ? Object.entries(STEPS).map(([step, words]) => {
      const button = make("button", this.stepBar, { type: "button", textContent: words, onclick: () => this.turn(step) });
      button.dataset.step = step;
      return button;
    }) : [];
    this.tool = TOOLS[mode][0]?.[0] ?? "";
    this.buttons = TOOLS[mode].map(([tool, title]) => {
      const button = make("button", this.bar, { type: "button", textContent: title });
      button.dataset.tool = tool;
      button.onclick = () => this.choose(tool);
      return button;
    });
    if (mode !== "look") {
      const size = make("label", this.bar, { textContent: "Size " });
      this.radius = make("input", size, { type: "range", min: 1, max: 60, value: this.isPainting ? 8 : 12 });
      this.radius.setAttribute("aria-label", "Brush size");
      this.undoButton = make("button", this.bar, { type: "button", textContent: "Undo", title: "Ctrl+Z", onclick: () => this.undo() });
      this.redoButton = make("button", this.bar, { type: "button", textContent: "Redo", title: "Ctrl+Shift+Z", onclick: () => this.redo() });
      make("button", this.bar, { type: "button", textContent: "Start again", onclick: () => this.again() });
    }
    if (mode === "paint" || mode === "edit") {
      const label = make("label", this.bar, { className: "singan-file", textContent: mode === "paint" ? "Drawing from a file" : "Object from a file" });
      make("input", label, { type: "file", accept: "image/*", onchange: (event) => this.open(event.target) });
    }
    if (mode === "paint" && !this.isWhole) {
      const label = make("label", this.bar, { textContent: "On " });
      this.ground = make("select", label);
      this.ground.setAttribute("aria-label", "What to paint on");
      for (const [value, words] of [["photo", "the photo"], ["faint", "plain colour, the photo faintly"], ["colour", "plain colour"]])
        make("option", this.ground, { value, textContent: words });
      this.ground.onchange = () => { this.drawing.ground = this.ground.value; this.replay(); this.keep(); };
    }
    for (const [words, title, act] of [["\u2212", "Zoom out", () => this.zoomAt(1 / 1.5)], ["+", "Zoom in", () => this.zoomAt(1.5)], ["Fit", "The whole picture", () => this.whole()]]) {
      const button = make("button", this.bar, { type: "button", className: "zoom", textContent: words, title, onclick: act });
      if (words !== "Fit") button.setAttribute("aria-label", title);
    }
    this.showStep();
    this.showPalette();
    if (this.tool) this.choose(this.tool);
    if (this.real) this.begin();
  }

  // Whether colours are painted, and not marks.
  get isPainting() {
    return this.mode === "paint" || this.mode === "arrange";
  }

  // A step of an arrangement: the parts of the photo, or of the new picture.
  turn(step) {
    this.step = step;
    this.showStep();
    if (this.real) this.begin();
  }

  showStep() {
    const words = HINTS[this.mode] ?? HINTS[this.step];
    this.hint.textContent = this.mode === "edit" || this.mode === "arrange" ? words : ""; // the page says the rest
    this.view.setAttribute("aria-label", words);
    for (const button of this.steps) {
      button.classList.toggle("chosen", button.dataset.step === this.step);
      button.setAttribute("aria-pressed", button.dataset.step === this.step);
    }
  }

  choose(tool) {
    if (this.real) this.place();
    this.tool = tool;
    for (const button of this.buttons) {
      button.classList.toggle("chosen", button.dataset.tool === tool);
      button.setAttribute("aria-pressed", button.dataset.tool === tool);
    }
  }

  // Nothing can be drawn until the next picture is there.
  busy() {
    this.real = null;
    this.classList.add("busy");
  }

  async load(text) {
    const given = JSON.parse(text), number = (this.loads = (this.loads || 0) + 1);
    this.busy();
    const photo = new Image();
    photo.src = given.url ?? given.picture;
    await photo.decode();
    if (number !== this.loads) return; // another picture was chosen meanwhile
    Object.assign(this, { given, photo, width: given.width ?? photo.naturalWidth, height: given.height ?? photo.naturalHeight, floating: null, box: null, path: null });
    this.real = this.layer();
    this.real.drawImage(photo, 0, 0, this.width, this.height);
    [this.work, this.marks, this.base] = [this.layer(), this.layer(), this.layer()];
    this.zoom = { z: 1, x: 0, y: 0 };
    this.classList.remove("busy");
    this.step = "now";
    this.showStep();
    this.showPalette();
    this.fit();
    if (given.map) await this.takeMap(given.map);
    else await this.begin();
  }

  // A label map of the picture: the parts of the photo, with their colours.
  async takeMap({ url, palette }) {
    const drawing = this.drawingOf("arrange now"), [last] = drawing.ops.slice(-1);
    if (last?.url !== url) drawing.ops.push({ type: "map", url, palette });
    this.keep("arrange now");
    this.step = "now";
    if (this.mode === "arrange") this.showStep();
    await this.begin();
  }

  // The drawing of this picture in this mode, as it was left.
  async begin() {
    this.drawing = this.drawingOf(this.drawn);
    this.floating = null;
    if (this.ground) this.ground.value = this.drawing.ground;
    const ops = this.mode === "arrange" ? [...this.drawing.ops, ...this.drawingOf("arrange now").ops] : this.drawing.ops;
    for (const op of ops) if (op.url && !this.pictures[op.url]) await this.decoded(op.url);
    this.replay();
    this.dispatchEvent(new Event("drawn"));
    this.rested();
  }

  // What is drawn now: the mode, and the step of an arrangement.
  get drawn() {
    return this.mode === "arrange" ? `arrange ${this.step}` : this.mode;
  }

  drawingOf(drawn) {
    const key = `${this.given.key}|${drawn}`;
    return (this.drawings[key] ??= { ops: [], undone: [], ground: this.usualGround, ...readKept()[key] });
  }

  keep(drawn = this.drawn) {
    const key = `${this.given.key}|${drawn}`, { ops, ground } = this.drawingOf(drawn);
    this.dispatchEvent(new Event("drawn"));
    if (!this.given.key) return;
    const kept = readKept();
    delete kept[key];
    if (ops.length || ground !== this.usualGround) kept[key] = { ops, ground };
    for (const old of Object.keys(kept).slice(0, -KEPT)) delete kept[old];
    try { localStorage.setItem(DRAWINGS, JSON.stringify(kept)); } catch { /* there is no room: it lasts as long as the page */ }
  }

  async decoded(url) {
    if (!this.pictures[url]) {
      const picture = new Image();
      picture.src = url;
      await picture.decode();
      this.pictures[url] = picture;
    }
    return this.pictures[url];
  }

  showPalette() {
    this.swatches.replaceChildren();
    if (!this.isPainting || !this.given) return;
    const isArranged = this.mode === "arrange", colours = isArranged ? this.parts() : this.given.palette;
    for (const [index, colour] of colours.entries()) {
      const swatch = make("button", this.swatches, { type: "button", title: isArranged ? `part ${index + 1}` : colour });
      swatch.setAttribute("aria-label", isArranged ? `colour of part ${index + 1}` : "colour " + colour);
      swatch.style.background = swatch.dataset.colour = colour;
      swatch.onclick = () => this.pick(colour);
    }
    this.free = null;
    if (isArranged) return this.pick(colours[1] ?? colours[0]);
    this.free = make("input", this.swatches, { type: "color" });
    this.free.setAttribute("aria-label", "another colour");
    this.free.oninput = () => this.pick(this.free.value);
    this.pick(this.farthest() || "#808080");
  }

  // The palette's colour that differs most from the ground: so that the first stroke is visible.
  farthest() {
    const channels = (colour) => [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
    const apart = (colour) => channels(colour).reduce((sum, value, index) => sum + (value - channels(this.given.ground)[index]) ** 2, 0);
    return [...this.given.palette].sort((one, other) => apart(other) - apart(one))[0];
  }

  pick(colour) {
    this.colour = colour;
    if (this.free) this.free.value = colour;
    for (const swatch of this.swatches.children) {
      swatch.classList.toggle("chosen", swatch.dataset.colour === colour);
      if (swatch.type === "button") swatch.setAttribute("aria-pressed", swatch.dataset.colour === colour);
    }
    if (!["brush", "fill", "lasso"].includes(this.tool)) this.choose("brush");
  }

  // The colours of the photo's parts: those of its label map, or ours.
  parts() {
    const map = this.since(this.drawingOf("arrange now")).findLast((op) => op.type === "map");
    return map?.palette ?? this.given.parts;
  }

  layer() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.width, this.height];
    return canvas.getContext("2d", { willReadFrequently: true });
  }

  // ---- operations ----

  push(op) {
    this.drawing.ops.push(op);
    this.drawing.undone = [];
    this.apply(op);
    this.draw();
    this.keep();
  }

  replay() {
    const isArranged = this.mode === "arrange";
    this.base.fillStyle = isArranged ? this.parts()[0] : this.given.ground;
    this.base.fillRect(0, 0, this.width, this.height);
    if (!this.isPainting || (!isArranged && this.drawing.ground === "photo")) this.base.drawImage(this.real.canvas, 0, 0);
    if (isArranged && this.step === "wanted") { // it begins as the photo is
      this.redraw(this.drawingOf("arrange now"));
      this.base.drawImage(this.work.canvas, 0, 0);
    }
    this.redraw(this.drawing);
    if (isArranged && [...this.swatches.children].map((swatch) => swatch.dataset.colour).join() !== this.parts().join()) this.showPalette();
    this.draw();
  }

  redraw(drawing) {
    this.work.globalCompositeOperation = "source-over";
    this.work.drawImage(this.base.canvas, 0, 0);
    this.marks.clearRect(0, 0, this.width, this.height);
    for (const op of this.since(drawing)) this.apply(op);
  }

  apply(op) {
    const isArranged = this.mode === "arrange";
    if (op.type === "stroke") isArranged ? this.harden((layer) => this.stroke(op, layer)) : this.stroke(op);
    if (op.type === "fill") this.fill(op);
    if (op.type === "shape") isArranged ? this.harden((layer) => this.shape(layer, op.outline, op.colour)) : this.shape(this.marks, op.outline, MARK);
    if (op.type === "map") {
      this.work.imageSmoothingEnabled = false;
      this.work.drawImage(this.pictures[op.url], 0, 0, this.width, this.height);
      this.work.imageSmoothingEnabled = true;
    }
    if (op.type === "picture") this.work.drawImage(this.pictures[op.url], 0, 0, this.width, this.height);
    if (op.type === "part") this.part(op);
    if (op.type === "clear") this.replay();
  }

  // Paints without soft edges: where parts are painted, a colour between two would be that of a third.
  harden(paint) {
    const spare = this.layer();
    paint(spare);
    const image = spare.getImageData(0, 0, this.width, this.height);
    for (let place = 3; place < image.data.length; place += 4) image.data[place] = image.data[place] > 127 ? 255 : 0;
    spare.putImageData(image, 0, 0);
    this.work.drawImage(spare.canvas, 0, 0);
  }

  stroke({ tool, colour, radius, points }, layer = this.isPainting ? this.work : this.marks) {
    layer.save();
    layer.lineWidth = 2 * radius;
    layer.lineCap = layer.lineJoin = "round";
    layer.strokeStyle = tool === "brush" ? colour : tool === "erase" ? layer.createPattern(this.base.canvas, "no-repeat") : MARK;
    if (tool === "less") layer.globalCompositeOperation = "destination-out";
    layer.beginPath();
    layer.moveTo(points[0][0], points[0][1]);
    for (const [x, y] of points) layer.lineTo(x + 0.01, y);
    layer.stroke();
    layer.restore();
  }

  shape(layer, outline, colour) {
    layer.fillStyle = colour;
    layer.beginPath();
    outline.forEach(([x, y], index) => (index ? layer.lineTo(x, y) : layer.moveTo(x, y)));
    layer.fill();
  }

  // A part: its hole, where it was moved, and what is put in.
  part(op) {
    const picture = this.pictureOf(op);
    if (op.cut) {
      this.shape(this.work, op.outline, this.around(bounds(op.outline)));
      this.shape(this.marks, op.outline, MARK);
    }
    const spot = this.layer();
    this.onto(spot, picture, op);
    this.work.drawImage(spot.canvas, 0, 0);
    spot.globalCompositeOperation = "source-in";
    spot.fillStyle = MARK;
    spot.fillRect(0, 0, this.width, this.height);
    this.marks.drawImage(spot.canvas, 0, 0);
  }

  onto(layer, picture, { x, y, w, h, angle }) {
    layer.save();
    layer.translate(angle ? x : Math.round(x - w / 2) + w / 2, angle ? y : Math.round(y - h / 2) + h / 2);
    layer.rotate(angle);
    layer.drawImage(picture, -w / 2, -h / 2, w, h);
    layer.restore();
  }

  // What a part shows: an object, or what lies inside its outline now.
  pictureOf(op) {
    if (op.url) return this.pictures[op.url];
    const [x, y, w, h] = bounds(op.outline), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.max(1, w), Math.max(1, h)];
    const layer = canvas.getContext("2d");
    layer.translate(-x, -y);
    this.shape(layer, op.outline, "#000");
    layer.globalCompositeOperation = "source-in";
    layer.drawImage(this.work.canvas, 0, 0);
    return canvas;
  }

  around([x, y, w, h]) {
    const sum = [0, 0, 0, 0], left = Math.max(0, x - 1), top = Math.max(0, y - 1);
    const right = Math.min(this.width, x + w + 1), bottom = Math.min(this.height, y + h + 1);
    const { data } = this.work.getImageData(left, top, right - left, bottom - top);
    for (let row = top; row < bottom; row++)
      for (let column = left; column < right; column++) {
        if (column >= x && column < x + w && row >= y && row < y + h) continue;
        const place = 4 * ((row - top) * (right - left) + column - left);
        [0, 1, 2].forEach((channel) => (sum[channel] += data[place + channel]));
        sum[3] += 1;
      }
    return `rgb(${sum.slice(0, 3).map((value) => Math.round(value / Math.max(1, sum[3]))).join(",")})`;
  }

  fill({ x, y, colour }) {
    const image = this.work.getImageData(0, 0, this.width, this.height), near = 3 * 24 ** 2;
    const value = parseInt(colour.slice(1), 16), fresh = [value >> 16, (value >> 8) & 255, value & 255];
    const pixel = (place) => [image.data[4 * place], image.data[4 * place + 1], image.data[4 * place + 2]];
    const old = pixel(y * this.width + x), seen = new Uint8Array(this.width * this.height), queue = [[x, y]];
    while (queue.length) {
      const [column, row] = queue.pop(), place = row * this.width + column;
      if (column < 0 || row < 0 || column >= this.width || row >= this.height || seen[place]) continue;
      seen[place] = 1;
      if (pixel(place).reduce((sum, level, index) => sum + (level - old[index]) ** 2, 0) > near) continue;
      image.data.set(fresh, 4 * place);
      queue.push([column + 1, row], [column - 1, row], [column, row + 1], [column, row - 1]);
    }
    this.work.putImageData(image, 0, 0);
  }

  undo() {
    if (!this.real) return;
    if (this.floating) return this.drop();
    const op = this.drawing.ops.pop();
    if (op) this.drawing.undone.push(op);
    this.replay();
    this.keep();
  }

  redo() {
    const op = this.real && this.drawing.undone.pop();
    if (!op) return;
    this.drawing.ops.push(op);
    this.replay();
    this.keep();
  }

  again() {
    if (!this.real) return;
    this.drop();
    if (this.since().length) this.push({ type: "clear" });
  }

  // The operations since all was taken away.
  since({ ops } = this.drawing) {
    return ops.slice(ops.findLastIndex((op) => op.type === "clear") + 1);
  }

  async open(input) {
    const file = input.files[0];
    input.value = "";
    if (!file || !this.real) return;
    const picture = await createImageBitmap(file).catch(() => null);
    if (!picture) return alert("The browser can't read this file as a picture.");
    const most = this.mode === "paint" ? Math.max(this.width, this.height) : 1200;
    const share = Math.min(1, most / Math.max(picture.width, picture.height)), canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [Math.max(1, Math.round(share * picture.width)), Math.max(1, Math.round(share * picture.height))];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    const url = canvas.toDataURL("image/png");
    await this.decoded(url);
    if (this.mode === "paint") return this.push({ type: "picture", url });
    const shrink = Math.min(1, (0.4 * this.width) / canvas.width, (0.6 * this.height) / canvas.height);
    const w = Math.max(4, Math.round(canvas.width * shrink)), h = Math.max(4, Math.round(canvas.height * shrink));
    this.lift({ type: "part", url, x: Math.round(this.width / 2), y: Math.round(this.height / 2), w, h, angle: 0, cut: false });
  }

  // ---- the part that is carried ----

  lift(op) {
    this.place();
    this.floating = { ...op, picture: this.pictureOf(op) };
    this.carry.hidden = false;
    this.draw();
  }

  place() {
    if (!this.floating) return;
    const { picture, ...op } = this.floating;
    this.floating = null;
    this.carry.hidden = true;
    this.push(op);
  }

  drop() {
    this.floating = null;
    this.carry.hidden = true;
    this.draw();
  }

  reshape(factor, turn) {
    if (!this.floating) return;
    this.floating.w *= factor;
    this.floating.h *= factor;
    this.floating.angle += turn;
    this.draw();
  }

  // A point in the part's own directions, from its centre.
  inPart(x, y) {
    const { x: cx, y: cy, angle } = this.floating, [dx, dy] = [x - cx, y - cy];
    return [dx * Math.cos(angle) + dy * Math.sin(angle), dy * Math.cos(angle) - dx * Math.sin(angle)];
  }

  handle(x, y) {
    const { w, h } = this.floating, [dx, dy] = this.inPart(x, y), reach = (14 * this.width) / (this.view.clientWidth * this.zoom.z);
    if (Math.hypot(dx - w / 2, dy - h / 2) < reach) return "stretch";
    if (Math.hypot(dx, dy + h / 2 + 2 * reach) < reach) return "turn";
    return Math.abs(dx) <= w / 2 && Math.abs(dy) <= h / 2 ? "carry" : "";
  }

  // ---- pointers, wheel and keys ----

  at(event) {
    const box = this.view.getBoundingClientRect(), { z, x, y } = this.zoom;
    return [x + (((event.clientX - box.left) / box.width) * this.width) / z, y + (((event.clientY - box.top) / box.height) * this.height) / z];
  }

  down(event) {
    if (!this.real) return;
    this.pointers.set(event.pointerId, event);
    this.view.setPointerCapture(event.pointerId);
    if (this.pointers.size === 2) return this.pinch();
    if (this.mode !== "look" || this.zoom.z > 1) event.preventDefault();
    this.view.focus({ preventScroll: true });
    const [x, y] = (this.last = this.at(event));
    if (this.mode === "look" || event.button === 1 || this.space) return (this.drag = "pan");
    if (this.floating) {
      this.drag = this.handle(x, y);
      if (!this.drag) this.place();
      return;
    }
    if (["copy", "cut", "lasso"].includes(this.tool)) [this.drag, this.path] = ["path", [[x, y]]];
    else if (this.tool === "box") [this.drag, this.box] = ["box", [x, y, x, y]];
    else if (this.tool === "pick") this.pickAt(x, y);
    else if (this.tool === "fill") this.push({ type: "fill", x: clip(Math.floor(x), this.width - 1), y: clip(Math.floor(y), this.height - 1), colour: this.colour });
    else {
      this.drag = "stroke";
      this.current = { type: "stroke", tool: this.tool, colour: this.colour, radius: this.reach(), points: [[x, y]] };
      this.before = this.snapshot();
      this.stroke(this.current);
    }
    this.draw();
  }

  snapshot() {
    const layer = this.isPainting ? this.work : this.marks;
    return layer.getImageData(0, 0, this.width, this.height);
  }

  reach() {
    return (Number(this.radius.value) * this.width) / 400;
  }

  pickAt(x, y) {
    const { data } = this.real.getImageData(clip(Math.floor(x), this.width - 1), clip(Math.floor(y), this.height - 1), 1, 1);
    this.pick("#" + [0, 1, 2].map((channel) => data[channel].toString(16).padStart(2, "0")).join(""));
  }

  move(event) {
    if (!this.real) return;
    if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
    if (this.drag === "pinch") return this.pinched();
    const [x, y] = (this.cursor = this.at(event));
    if (this.drag) this.dragged(x, y, event);
    else this.draw();
  }

  dragged(x, y, event) {
    const [fromX, fromY] = this.last, floating = this.floating;
    if (this.drag === "pan") {
      this.zoom.x -= x - fromX;
      this.zoom.y -= y - fromY;
      this.keepInside();
      [x, y] = this.at(event);
    }
    if (this.drag === "stroke") {
      this.current.points.push([x, y]);
      this.stroke({ ...this.current, points: [[fromX, fromY], [x, y]] });
    }
    if (this.drag === "box") this.box = [this.box[0], this.box[1], x, y];
    if (this.drag === "path") this.path.push([x, y]);
    if (this.drag === "carry") [floating.x, floating.y] = [floating.x + x - fromX, floating.y + y - fromY];
    if (this.drag === "turn") floating.angle = Math.atan2(y - floating.y, x - floating.x) + Math.PI / 2;
    if (this.drag === "stretch") {
      const [dx, dy] = this.inPart(x, y), share = Math.max(0.05, Math.max((2 * dx) / floating.w, (2 * dy) / floating.h));
      if (event.shiftKey) [floating.w, floating.h] = [Math.max(3, 2 * dx), Math.max(3, 2 * dy)];
      else [floating.w, floating.h] = [floating.w * share, floating.h * share];
    }
    this.last = [x, y];
    this.draw();
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.drag === "pinch") {
      if (!this.pointers.size) this.drag = null;
      return;
    }
    if (this.drag === "stroke") { // drawn once more, as after an undo
      (this.isPainting ? this.work : this.marks).putImageData(this.before, 0, 0);
      this.push(this.current);
    }
    if (this.drag === "box") this.boxed(this.box);
    if (this.drag === "path") this.outlined(this.path);
    this.drag = this.box = this.path = this.current = null;
    this.draw();
    this.rested();
  }

  boxed([x0, y0, x1, y1]) {
    const [x, y, right, bottom] = [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)].map(Math.round);
    this.outlined([[x, y], [right, y], [right, bottom], [x, bottom]]);
  }

  // A dragged outline: marks its inside, or lifts the part. A straight drag, from corner to corner, is a box.
  outlined(path) {
    const [x0, y0, x1, y1] = [...path[0], ...path[path.length - 1]], length = Math.hypot(x1 - x0, y1 - y0);
    const stray = ([x, y]) => (length < 1 ? Math.hypot(x - x0, y - y0) : Math.abs((y1 - y0) * (x - x0) - (x1 - x0) * (y - y0)) / length);
    if (this.tool !== "lasso" && this.tool !== "box" && !path.some((point) => stray(point) > Math.max(2, 0.12 * length))) {
      path = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(([x, y]) => [Math.round(x), Math.round(y)]);
    }
    const outline = path.map(([x, y]) => [clip(x, this.width), clip(y, this.height)]), [x, y, w, h] = bounds(outline);
    if (w < 2 || h < 2 || outline.length < 3) return;
    if (this.tool === "lasso" || this.tool === "box") return this.push({ type: "shape", outline, colour: this.colour });
    this.lift({ type: "part", outline, x: x + w / 2, y: y + h / 2, w, h, angle: 0, cut: this.tool === "cut" });
  }

  pinch() {
    if (this.drag === "stroke") { // the first finger drew: it was not meant
      (this.isPainting ? this.work : this.marks).putImageData(this.before, 0, 0);
      this.current = null;
    }
    this.drag = "pinch";
    this.path = this.box = null;
    this.start = { ...this.fingers(), zoom: { ...this.zoom } };
  }

  fingers() {
    const [one, other] = [...this.pointers.values()], box = this.view.getBoundingClientRect();
    const middle = { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
    return { apart: Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY), middle, fx: (middle.clientX - box.left) / box.width, fy: (middle.clientY - box.top) / box.height };
  }

  pinched() {
    if (this.pointers.size < 2) return;
    const { apart, fx, fy } = this.fingers(), { zoom, fx: fromX, fy: fromY, apart: before } = this.start;
    const z = Math.min(16, Math.max(1, (zoom.z * apart) / before));
    this.zoom = { z, x: zoom.x + (fromX * this.width) / zoom.z - (fx * this.width) / z, y: zoom.y + (fromY * this.height) / zoom.z - (fy * this.height) / z };
    this.keepInside();
    this.draw();
  }

  wheel(event) {
    if (!this.real) return;
    event.preventDefault();
    this.zoomAt(Math.exp(-event.deltaY / 400), this.at(event));
  }

  zoomAt(factor, [x, y] = [this.zoom.x + this.width / (2 * this.zoom.z), this.zoom.y + this.height / (2 * this.zoom.z)]) {
    if (!this.real) return;
    const z = Math.min(16, Math.max(1, this.zoom.z * factor)), share = this.zoom.z / z;
    this.zoom = { z, x: x - (x - this.zoom.x) * share, y: y - (y - this.zoom.y) * share };
    this.keepInside();
    this.draw();
  }

  whole() {
    if (!this.real) return;
    this.zoom = { z: 1, x: 0, y: 0 };
    this.draw();
  }

  keepInside() {
    const { z } = this.zoom;
    this.zoom.x = Math.min(this.width - this.width / z, Math.max(0, this.zoom.x));
    this.zoom.y = Math.min(this.height - this.height / z, Math.max(0, this.zoom.y));
  }

  key(event) {
    const step = event.shiftKey ? 10 : 1, way = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (way && this.floating) [this.floating.x, this.floating.y] = [this.floating.x + way[0], this.floating.y + way[1]];
    else if (way && this.zoom?.z > 1) [this.zoom.x, this.zoom.y] = [this.zoom.x + 20 * way[0], this.zoom.y + 20 * way[1]];
    else if (event.key === "Enter" && this.floating) return this.place();
    else if (event.key === "Escape" && this.floating) return this.drop();
    else if (event.key === "+") return this.zoomAt(1.5);
    else if (event.key === "-") return this.zoomAt(1 / 1.5);
    else return;
    event.preventDefault();
    if (this.zoom) this.keepInside();
    this.draw();
  }

  // Keys that work wherever the focus is, but in fields; true: it was one.
  shortcut(event) {
    if (!this.real || this.mode === "look" || !this.offsetParent) return false;
    const letter = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
    if (command && letter === "z") event.shiftKey ? this.redo() : this.undo();
    else if (command && letter === "y") this.redo();
    else if (!command && (letter === "[" || letter === "]")) {
      this.radius.value = Number(this.radius.value) * (letter === "[" ? 0.8 : 1.25) + (letter === "[" ? -0.5 : 0.5);
      this.draw();
    } else return false;
    return true;
  }

  // ---- what is seen ----

  // The element is as wide as there is room, and has the picture's proportions.
  fit() {
    if (!this.given || !this.clientWidth) return;
    const tallest = (Number(getComputedStyle(this).getPropertyValue("--share")) || 0.62) * window.innerHeight;
    const wide = Math.min(this.clientWidth, (tallest * this.width) / this.height), dense = Math.min(2, window.devicePixelRatio || 1);
    this.view.style.width = `${wide}px`;
    this.view.style.height = `${(wide * this.height) / this.width}px`;
    [this.view.width, this.view.height] = [Math.round(wide * dense), Math.round((wide * dense * this.height) / this.width)];
    this.draw();
  }

  draw() {
    if (!this.real || !this.view.width || !this.drawing) return;
    const view = this.view.getContext("2d"), { z, x, y } = this.zoom, scale = (this.view.width / this.width) * z;
    view.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
    view.imageSmoothingEnabled = true;
    view.imageSmoothingQuality = "high";
    const isUntouched = !this.isPainting && !this.since().length, isNow = this.drawn === "arrange now";
    view.drawImage(isUntouched || isNow ? this.photo : this.work.canvas, 0, 0, this.width, this.height);
    if (isNow) this.veil(view, this.work.canvas, 0.5);
    if (this.mode === "paint" && this.drawing.ground === "faint") this.veil(view, this.real.canvas, 0.3);
    if (this.mode === "edit" || this.mode === "mask") this.veil(view, this.marks.canvas, 0.45);
    if (this.floating) this.drawFloating(view, scale);
    this.drawOutlines(view, scale);
    if (this.undoButton) [this.undoButton.disabled, this.redoButton.disabled] = [!this.drawing.ops.length && !this.floating, !this.drawing.undone.length];
    this.view.style.cursor = this.mode === "look" ? (z > 1 ? "grab" : "zoom-in") : this.floating ? "move" : "crosshair";
    this.view.style.touchAction = this.mode === "look" && z === 1 ? "pan-y" : "none";
  }

  veil(view, picture, alpha) {
    view.globalAlpha = alpha;
    view.drawImage(picture, 0, 0, this.width, this.height);
    view.globalAlpha = 1;
  }

  drawFloating(view, scale) {
    const { picture, w, h, cut, outline } = this.floating, reach = 14 / scale * (window.devicePixelRatio > 1 ? 2 : 1);
    if (cut) this.shape(view, outline, this.around(bounds(outline)));
    this.onto(view, picture, this.floating);
    view.save();
    view.translate(this.floating.x, this.floating.y);
    view.rotate(this.floating.angle);
    this.dashed(view, scale, () => view.rect(-w / 2, -h / 2, w, h));
    view.fillStyle = "#fff";
    view.strokeStyle = "#000";
    view.setLineDash([]);
    view.fillRect(w / 2 - reach / 2, h / 2 - reach / 2, reach, reach);
    view.strokeRect(w / 2 - reach / 2, h / 2 - reach / 2, reach, reach);
    view.beginPath();
    view.arc(0, -h / 2 - 2 * reach, reach / 2, 0, 7);
    view.fill();
    view.stroke();
    view.restore();
  }

  drawOutlines(view, scale) {
    if (this.box) this.dashed(view, scale, () => view.rect(this.box[0], this.box[1], this.box[2] - this.box[0], this.box[3] - this.box[1]));
    if (this.path) this.dashed(view, scale, () => this.path.forEach(([x, y], index) => (index ? view.lineTo(x, y) : view.moveTo(x, y))));
    const draws = ["brush", "erase", "add", "less"].includes(this.tool);
    if (this.cursor && draws && !this.floating && this.mode !== "look") this.dashed(view, scale, () => view.arc(this.cursor[0], this.cursor[1], this.reach(), 0, 7), []);
  }

  dashed(view, scale, draw, dash = [8, 6]) {
    view.beginPath();
    draw();
    for (const [colour, pattern] of [["#000", []], ["#fff", dash]]) {
      view.strokeStyle = colour;
      view.lineWidth = (colour === "#000" ? 2.5 : 1.5) / scale;
      view.setLineDash(pattern.map((length) => length / scale));
      view.stroke();
    }
  }

  // The button to press when a stroke ends.
  rested() {
    const then = this.getAttribute("data-then");
    clearTimeout(this.timer);
    if (then) this.timer = setTimeout(() => document.getElementById(then)?.click(), 400);
  }

  // ---- what is sent ----

  value() {
    if (!this.real || this.mode === "look") return "";
    this.place();
    const drawn = this.since().length > 0, size = [this.width, this.height];
    if (this.mode === "arrange") return JSON.stringify({ size, ...this.arrangement() });
    if (this.mode === "paint") return JSON.stringify({ size, on: this.drawing.ground, picture: drawn || this.isWhole ? this.work.canvas.toDataURL("image/png") : "" });
    const parts = this.since().filter((op) => op.type === "part").map(({ url, outline, x, y, w, h, angle, cut }) => ({ object: url || "", outline: outline || [], x, y, w, h, angle, cut }));
    return JSON.stringify({ size, mask: drawn ? this.marksURL() : "", parts });
  }

  // Which part is where, in the photo and in the new picture; "" of one that is not painted. The second is shown.
  arrangement() {
    if (this.step === "now") this.turn("wanted");
    const isDone = (step) => this.since(this.drawingOf(`arrange ${step}`)).length > 0;
    const url = (layer) => layer.canvas.toDataURL("image/png");
    return { colours: this.parts(), now: isDone("now") ? url(this.base) : "", wanted: isDone("wanted") ? url(this.work) : "" };
  }

  marksURL() {
    const layer = this.layer(), image = this.marks.getImageData(0, 0, this.width, this.height);
    for (let place = 0; place < image.data.length; place += 4) image.data.set(image.data[place + 3] > 127 ? [255, 255, 255, 255] : [0, 0, 0, 255], place);
    layer.putImageData(image, 0, 0);
    return layer.canvas.toDataURL("image/png");
  }
}

function bounds(outline) {
  const xs = outline.map(([x]) => x), ys = outline.map(([, y]) => y);
  const x = Math.floor(Math.min(...xs)), y = Math.floor(Math.min(...ys));
  return [x, y, Math.ceil(Math.max(...xs)) - x, Math.ceil(Math.max(...ys)) - y];
}

function clip(value, most) {
  return Math.min(most, Math.max(0, value));
}

customElements.define("singan-canvas", SinganCanvas);

addEventListener("keydown", (event) => {
  if (event.target.closest?.("textarea, input:not([type=range], [type=radio], [type=checkbox])")) return;
  for (const canvas of document.querySelectorAll("singan-canvas")) if (canvas.shortcut(event)) return event.preventDefault();
});

window.singanLoad = (id, text) => {
  pending[id] = text;
  const element = document.getElementById(id);
  if (element?.view && text) element.load(text);
};
window.singanMap = (id, text) => text && document.getElementById(id)?.takeMap(JSON.parse(text));
window.singanBusy = (id) => document.getElementById(id)?.busy?.();
window.singanMode = (id, mode) => {
  const element = document.getElementById(id);
  if (element?.view && element.mode !== mode) element.setMode(mode);
};
window.singanValue = (id) => document.getElementById(id)?.value() ?? "";
