/* A small canvas: <singan-canvas id=".." mode="paint | edit | mask"></singan-canvas>.
   The page gives it a picture by singanLoad(id, json) and takes what was drawn by singanValue(id). */

const pending = {};
const TOOLS = {
  paint: [["brush", "Brush"], ["fill", "Fill"], ["erase", "Eraser"]],
  edit: [["copy", "Copy"], ["cut", "Move"], ["add", "Mark more"], ["less", "Mark less"]],
  mask: [["add", "Mark"], ["box", "Mark a box"], ["less", "Eraser"]],
};
const HINTS = {
  paint: "Draw shapes in the colours of the picture; details are added automatically.",
  edit: "Draw a box round a part and drag it; its corner stretches it, a click beside it puts it down. What changed is marked in red.",
  mask: "Mark what should be removed.",
};

function make(tag, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

class SinganCanvas extends HTMLElement {
  connectedCallback() {
    if (this.view) return;
    this.mode = this.getAttribute("mode");
    this.tool = TOOLS[this.mode][0][0];
    this.colour = "#808080";
    this.history = [];
    const bar = make("div", this, { className: "singan-bar" });
    this.buttons = TOOLS[this.mode].map(([tool, title]) => {
      const button = make("button", bar, { type: "button", textContent: title });
      button.dataset.tool = tool;
      button.onclick = () => this.choose(tool);
      return button;
    });
    const size = make("label", bar, { textContent: "size " });
    this.radius = make("input", size, { type: "range", min: 1, max: 30, value: 6, ariaLabel: "brush size" });
    make("button", bar, { type: "button", textContent: "Undo", onclick: () => this.undo() });
    make("button", bar, { type: "button", textContent: "Start again", onclick: () => this.again() });
    if (this.mode !== "mask") {
      const label = make("label", bar, { className: "singan-file", textContent: this.mode === "paint" ? "Drawing from a file" : "Object from a file" });
      make("input", label, { type: "file", accept: "image/*", onchange: (event) => this.open(event.target) });
    }
    this.swatches = make("div", this, { className: "singan-bar singan-swatches" });
    this.view = make("canvas", this, { tabIndex: 0, ariaLabel: HINTS[this.mode] });
    make("p", this, { className: "singan-hint", textContent: HINTS[this.mode] });
    this.view.onpointerdown = (event) => this.down(event);
    this.view.onpointermove = (event) => this.move(event);
    this.view.onpointerup = this.view.onpointercancel = () => this.up();
    this.choose(this.tool);
    if (pending[this.id]) this.load(pending[this.id]);
  }

  choose(tool) {
    if (this.real) this.place();
    this.tool = tool;
    for (const button of this.buttons) button.classList.toggle("chosen", button.dataset.tool === tool);
  }

  async load(text) {
    const given = JSON.parse(text);
    const picture = new Image();
    picture.src = given.picture;
    await picture.decode();
    this.width = picture.naturalWidth;
    this.height = picture.naturalHeight;
    this.view.width = 4 * this.width;
    this.view.height = 4 * this.height;
    this.real = this.layer();
    this.real.drawImage(picture, 0, 0);
    this.work = this.layer();
    this.signs = new Int8Array(this.width * this.height); // 1: marked by hand, -1: unmarked
    this.palette = given.palette || [];
    this.ground = given.ground;
    this.history = [];
    this.swatches.replaceChildren();
    if (this.mode === "paint") {
      for (const colour of this.palette) {
        const swatch = make("button", this.swatches, { type: "button", title: colour, ariaLabel: "colour " + colour });
        swatch.style.background = colour;
        swatch.onclick = () => this.pick(colour);
      }
      this.free = make("input", this.swatches, { type: "color", ariaLabel: "another colour" });
      this.free.oninput = () => this.pick(this.free.value);
      this.pick(this.farthestFrom(given.ground) || "#808080");
    }
    this.clear();
  }

  // The palette's colour that differs most from the ground: so that the first stroke is visible.
  farthestFrom(ground) {
    const channels = (colour) => [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
    const apart = (colour) => channels(colour).reduce((sum, value, index) => sum + (value - channels(ground)[index]) ** 2, 0);
    return [...this.palette].sort((one, other) => apart(other) - apart(one))[0];
  }

  pick(colour) {
    this.colour = this.free.value = colour;
    [...this.swatches.children].forEach((swatch) => swatch.classList.toggle("chosen", swatch.title === colour));
    if (this.tool === "erase") this.choose("brush");
  }

  layer() {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    return canvas.getContext("2d", { willReadFrequently: true });
  }

  again() {
    if (!this.real) return;
    this.remember();
    this.clear();
  }

  clear() {
    this.floating = null;
    this.signs.fill(0);
    if (this.mode === "paint") {
      this.work.fillStyle = this.ground;
      this.work.fillRect(0, 0, this.width, this.height);
    } else {
      this.work.drawImage(this.real.canvas, 0, 0);
    }
    this.draw();
  }

  remember() {
    this.history.push([this.work.getImageData(0, 0, this.width, this.height), this.signs.slice()]);
    if (this.history.length > 40) this.history.shift();
  }

  undo() {
    const carried = this.floating; // a part that is cut out left its hole in the history, a copy nothing
    this.floating = null;
    if (carried ? carried.cut : this.history.length) {
      const [image, signs] = this.history.pop();
      this.work.putImageData(image, 0, 0);
      this.signs = signs;
    }
    this.draw();
  }

  async open(input) {
    const file = input.files[0];
    input.value = "";
    if (!file || !this.real) return;
    const picture = await createImageBitmap(file).catch(() => null);
    if (!picture) return alert("The browser can't read this file as a picture.");
    if (this.mode === "paint") {
      this.remember();
      this.work.drawImage(picture, 0, 0, this.width, this.height);
    } else {
      const share = Math.min(1, (0.4 * this.width) / picture.width, (0.6 * this.height) / picture.height);
      const w = Math.max(4, Math.round(picture.width * share)), h = Math.max(4, Math.round(picture.height * share));
      this.floating = { picture, x: Math.round((this.width - w) / 2), y: Math.round((this.height - h) / 2), w, h };
    }
    this.draw();
  }

  at(event) {
    const box = this.view.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * this.width, ((event.clientY - box.top) / box.height) * this.height];
  }

  down(event) {
    if (!this.real) return;
    event.preventDefault();
    this.view.setPointerCapture(event.pointerId);
    const [x, y] = (this.last = this.at(event));
    const floating = this.floating;
    if (floating) {
      const reach = Math.max(4, this.width / 40);
      const corner = Math.abs(x - floating.x - floating.w) < reach && Math.abs(y - floating.y - floating.h) < reach;
      const inside = x >= floating.x && y >= floating.y && x <= floating.x + floating.w && y <= floating.y + floating.h;
      this.drag = corner ? "stretch" : inside ? "carry" : null;
      if (!this.drag) this.place();
      return;
    }
    if (["copy", "cut", "box"].includes(this.tool)) {
      this.drag = "box";
      this.box = [x, y, x, y];
      return;
    }
    this.remember();
    if (this.tool === "fill") this.fill(Math.floor(x), Math.floor(y));
    else {
      this.drag = "stroke";
      this.stroke(x, y, x, y);
    }
    this.draw();
  }

  move(event) {
    if (!this.drag) return;
    const [x, y] = this.at(event), [fromX, fromY] = this.last, floating = this.floating;
    if (this.drag === "stroke") this.stroke(fromX, fromY, x, y);
    if (this.drag === "box") this.box = [this.box[0], this.box[1], x, y];
    if (this.drag === "carry") [floating.x, floating.y] = [floating.x + x - fromX, floating.y + y - fromY];
    if (this.drag === "stretch") [floating.w, floating.h] = [Math.max(3, x - floating.x), Math.max(3, y - floating.y)];
    this.last = [x, y];
    this.draw();
  }

  up() {
    if (this.drag === "box") this.boxed();
    this.drag = this.box = null;
    this.draw();
  }

  boxed() {
    const clip = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    const [x0, y0, x1, y1] = this.box;
    const x = clip(Math.min(x0, x1), this.width), y = clip(Math.min(y0, y1), this.height);
    const w = clip(Math.max(x0, x1), this.width) - x, h = clip(Math.max(y0, y1), this.height) - y;
    if (w < 2 || h < 2) return;
    if (this.tool === "box") {
      this.remember();
      for (let row = y; row < y + h; row++) this.signs.fill(1, row * this.width + x, row * this.width + x + w);
      return;
    }
    const part = document.createElement("canvas");
    part.width = w;
    part.height = h;
    part.getContext("2d").drawImage(this.work.canvas, x, y, w, h, 0, 0, w, h);
    if (this.tool === "cut") {
      this.remember();
      this.work.fillStyle = this.around(x, y, w, h);
      this.work.fillRect(x, y, w, h);
    }
    this.floating = { picture: part, x, y, w, h, cut: this.tool === "cut" };
  }

  around(x, y, w, h) {
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

  place() {
    if (!this.floating) return;
    const { picture, x, y, w, h, cut } = this.floating;
    if (!cut) this.remember(); // a move is one step
    this.work.drawImage(picture, Math.round(x), Math.round(y), Math.round(w), Math.round(h));
    this.floating = null;
    this.draw();
  }

  stroke(x0, y0, x1, y1) {
    const radius = (Number(this.radius.value) * this.width) / 250;
    if (this.tool === "brush" || this.tool === "erase") {
      this.work.strokeStyle = this.tool === "erase" ? this.ground : this.colour;
      this.work.lineWidth = 2 * radius;
      this.work.lineCap = "round";
      this.work.beginPath();
      this.work.moveTo(x0, y0);
      this.work.lineTo(x1 + 0.01, y1);
      this.work.stroke();
      return;
    }
    const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0)) + 1, sign = this.tool === "add" ? 1 : this.mode === "mask" ? 0 : -1;
    for (let step = 0; step <= steps; step++) {
      const x = x0 + ((x1 - x0) * step) / steps, y = y0 + ((y1 - y0) * step) / steps;
      for (let row = Math.max(0, Math.floor(y - radius)); row <= Math.min(this.height - 1, y + radius); row++)
        for (let column = Math.max(0, Math.floor(x - radius)); column <= Math.min(this.width - 1, x + radius); column++)
          if (Math.hypot(column - x, row - y) <= radius) this.signs[row * this.width + column] = sign;
    }
  }

  fill(x, y) {
    const image = this.work.getImageData(0, 0, this.width, this.height);
    const pixels = new Uint32Array(image.data.buffer), old = pixels[y * this.width + x], queue = [[x, y]];
    const value = parseInt(this.colour.slice(1), 16);
    const fresh = ((255 << 24) | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
    while (old !== fresh && queue.length) {
      const [column, row] = queue.pop();
      if (column < 0 || row < 0 || column >= this.width || row >= this.height) continue;
      if (pixels[row * this.width + column] !== old) continue;
      pixels[row * this.width + column] = fresh;
      queue.push([column + 1, row], [column - 1, row], [column, row + 1], [column, row - 1]);
    }
    this.work.putImageData(image, 0, 0);
  }

  marks() {
    const now = this.work.getImageData(0, 0, this.width, this.height).data;
    const before = this.real.getImageData(0, 0, this.width, this.height).data;
    return this.signs.map((sign, index) => {
      if (sign || this.mode === "mask") return sign > 0 ? 1 : 0;
      return [0, 1, 2].some((channel) => Math.abs(now[4 * index + channel] - before[4 * index + channel]) > 8) ? 1 : 0;
    });
  }

  overlay(colour) {
    const layer = this.layer(), image = layer.getImageData(0, 0, this.width, this.height);
    this.marks().forEach((marked, index) => marked && image.data.set(colour, 4 * index));
    layer.putImageData(image, 0, 0);
    return layer.canvas;
  }

  draw() {
    if (!this.real) return;
    const view = this.view.getContext("2d"), scale = 4;
    view.imageSmoothingEnabled = true;
    view.drawImage(this.work.canvas, 0, 0, this.view.width, this.view.height);
    if (this.mode !== "paint") view.drawImage(this.overlay([230, 40, 60, 110]), 0, 0, this.view.width, this.view.height);
    view.lineWidth = 3;
    view.strokeStyle = "#fff";
    view.setLineDash([10, 6]);
    if (this.box) view.strokeRect(scale * this.box[0], scale * this.box[1], scale * (this.box[2] - this.box[0]), scale * (this.box[3] - this.box[1]));
    if (this.floating) {
      const [x, y, w, h] = ["x", "y", "w", "h"].map((name) => scale * this.floating[name]);
      view.drawImage(this.floating.picture, x, y, w, h);
      view.strokeRect(x, y, w, h);
      view.fillStyle = "#fff";
      view.fillRect(x + w - 8, y + h - 8, 16, 16);
    }
    this.dispatchEvent(new Event("drawn"));
    const then = this.getAttribute("data-then"); // the button to press when a stroke ends
    clearTimeout(this.timer);
    if (then) this.timer = setTimeout(() => document.getElementById(then)?.click(), 400);
  }

  value() {
    if (!this.real) return "";
    this.place();
    return JSON.stringify({ picture: this.work.canvas.toDataURL("image/png"), mask: this.mode === "paint" ? "" : this.maskURL() });
  }

  maskURL() {
    const layer = this.layer();
    layer.fillRect(0, 0, this.width, this.height);
    layer.drawImage(this.overlay([255, 255, 255, 255]), 0, 0);
    return layer.canvas.toDataURL("image/png");
  }
}

customElements.define("singan-canvas", SinganCanvas);

window.singanLoad = (id, text) => {
  pending[id] = text;
  const element = document.getElementById(id);
  if (element && element.view && text) element.load(text);
};
window.singanValue = (id) => document.getElementById(id)?.value() ?? "";
