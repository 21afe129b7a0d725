/* The result area: <singan-viewer id="viewer"></singan-viewer>. One result, large: wheel and pinch zoom, dragging moves,
   a slider uncovers the original, a click enlarges. While work goes on, the preview is shown. */

class SinganViewer extends HTMLElement {
  connectedCallback() {
    if (this.stage) return;
    const bar = make("div", this, { className: "singan-bar", role: "toolbar" });
    bar.setAttribute("aria-label", "View of the result");
    const label = make("label", bar, { textContent: "Compare with " });
    this.rival = make("select", label);
    this.rival.setAttribute("aria-label", "Compare with");
    for (const [value, words] of [["none", "nothing"], ["original", "the original"], ["pinned", "the pinned result"]])
      make("option", this.rival, { value, textContent: words, disabled: value === "pinned" });
    this.rival.onchange = () => this.show(this.item);
    this.button(bar, "Repeat", "Lay it side by side, as a tile", () => this.repeat());
    this.button(bar, "\u2212", "Zoom out", () => this.zoomAt(1 / 1.5));
    this.button(bar, "+", "Zoom in", () => this.zoomAt(1.5));
    this.button(bar, "Fit", "The whole picture", () => this.whole());
    this.button(bar, "1:1", "Each pixel as it is", () => this.actual());
    this.larger = this.button(bar, "Enlarge", "Fill the window; Escape leaves", () => this.enlarge());
    this.stage = make("div", this, { className: "singan-stage", tabIndex: 0 });
    this.stage.setAttribute("role", "group");
    this.stage.setAttribute("aria-label", "The result");
    this.frame = make("div", this.stage, { className: "singan-picture" });
    this.tiles = make("div", this.stage, { className: "singan-tiles", hidden: true });
    this.line = make("div", this.stage, { className: "singan-line", hidden: true });
    this.split = make("input", this.stage, { type: "range", min: 0, max: 100, value: 50, className: "singan-split", hidden: true });
    this.split.setAttribute("aria-label", "Before and after");
    this.split.oninput = () => this.place();
    this.empty = make("div", this.stage, { className: "singan-empty", textContent: "Results appear here." });
    this.caption = make("p", this, { className: "singan-caption" });
    this.caption.setAttribute("aria-live", "polite");
    this.pointers = new Map();
    this.zoom = { z: 1, x: 0, y: 0 };
    this.stage.onpointerdown = (event) => this.down(event);
    this.stage.onpointermove = (event) => this.move(event);
    this.stage.onpointerup = this.stage.onpointercancel = (event) => this.up(event);
    this.stage.addEventListener("wheel", (event) => { if (this.size) { event.preventDefault(); this.zoomAt(Math.exp(-event.deltaY / 400), event); } }, { passive: false });
    this.stage.onkeydown = (event) => this.key(event);
    new ResizeObserver(() => this.fit()).observe(this);
  }

  button(bar, words, title, act) {
    const button = make("button", bar, { type: "button", textContent: words, title, onclick: act });
    button.classList.toggle("zoom", words.length < 4);
    if (words.length < 2) button.setAttribute("aria-label", title);
    return button;
  }

  // ---- what is shown ----

  show(item) {
    this.live = false;
    this.item = item;
    this.tiles.hidden = true;
    this.frame.hidden = false;
    this.frame.replaceChildren();
    this.classList.remove("live");
    this.empty.hidden = !!item;
    this.line.hidden = this.split.hidden = true;
    this.caption.textContent = item ? captionOf(item) : "";
    if (!item) return (this.size = null);
    const isFilm = item.file.endsWith(".mp4"), moves = isFilm || item.file.endsWith(".gif") || item.file.endsWith(".webp");
    this.after = isFilm
      ? make("video", this.frame, { src: fileURL(item.file), muted: true, loop: true, autoplay: true, controls: true })
      : make("img", this.frame, { src: fileURL(moves ? item.file : item.view), alt: captionOf(item), draggable: false });
    this.isFull = moves;
    const rival = this.rival.value === "original" ? { view: item.originalView, name: "the original", place: item.place } : this.rival.value === "pinned" ? this.pinned : null;
    this.before = null;
    if (rival?.view && !moves) {
      this.cut = make("div", this.frame, { className: "singan-before" });
      this.before = make("img", this.cut, { src: fileURL(rival.view), alt: rival.name, draggable: false });
      if (rival.place) ["left", "top", "width", "height"].forEach((side, index) => (this.before.style[side] = `${100 * rival.place[index]}%`));
      this.line.hidden = this.split.hidden = false;
    }
    const before = this.size;
    this.size = [item.width, item.height];
    if (!before || before[0] !== item.width || before[1] !== item.height) this.zoom = { z: 1, x: 0, y: 0 };
    this.fit();
  }

  preview(url, words) {
    const wasLive = this.live;
    this.live = true;
    this.classList.add("live");
    this.empty.hidden = true;
    this.caption.textContent = words;
    if (!url) return;
    if (!wasLive || !this.shown?.isConnected) {
      this.tiles.hidden = true;
      this.frame.hidden = false;
      this.line.hidden = this.split.hidden = true;
      this.frame.replaceChildren();
      this.shown = this.after = make("img", this.frame, { alt: "a preview", draggable: false });
      this.before = null;
      this.zoom = { z: 1, x: 0, y: 0 };
    }
    this.isFull = true; // there is no better one yet
    this.shown.onload = () => {
      this.size = [this.shown.naturalWidth, this.shown.naturalHeight];
      this.fit();
    };
    this.shown.src = url;
  }

  pin(item) {
    this.pinned = { view: item.view, name: captionOf(item), key: item.key };
    this.rival.options[2].disabled = false;
    this.rival.value = "pinned";
  }

  repeat() {
    if (!this.item) return;
    this.tiles.hidden = !this.tiles.hidden;
    this.frame.hidden = !this.tiles.hidden;
    this.tiles.style.backgroundImage = `url("${fileURL(this.item.view)}")`;
  }

  enlarge() {
    const is = this.classList.toggle("large");
    document.body.classList.toggle("singan-large", is);
    this.larger.textContent = is ? "Back" : "Enlarge";
    this.whole();
    this.fit();
    if (is) this.stage.focus();
  }

  // ---- zoom: the scale beyond the fit, and where the picture's corner is on the stage ----

  fit() {
    if (!this.size || !this.clientWidth) return;
    const [w, h] = this.size, isLarge = this.classList.contains("large"), share = Number(getComputedStyle(this).getPropertyValue("--share")) || 0.62;
    this.stage.style.height = isLarge ? "" : `${Math.max(120, Math.min((this.clientWidth * h) / w, share * window.innerHeight))}px`;
    const [wide, high] = [this.stage.clientWidth, this.stage.clientHeight];
    this.scale = Math.min(wide / w, high / h);
    this.place();
  }

  place() {
    if (!this.size || !this.scale) return;
    const [w, h] = this.size.map((side) => side * this.scale), [wide, high] = [this.stage.clientWidth, this.stage.clientHeight], zoom = this.zoom;
    const keep = (at, side, room) => (side * zoom.z <= room ? (room - side * zoom.z) / 2 : Math.min(0, Math.max(room - side * zoom.z, at)));
    [zoom.x, zoom.y] = [keep(zoom.x, w, wide), keep(zoom.y, h, high)];
    Object.assign(this.frame.style, { width: `${w}px`, height: `${h}px`, transform: `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.z})` });
    this.stage.style.cursor = zoom.z > 1 ? "grab" : "zoom-in";
    this.classList.toggle("pixels", zoom.z > 1 && zoom.z * this.scale > 3);
    if (this.before) {
      const at = (Number(this.split.value) / 100) * wide, share = Math.min(100, Math.max(0, (100 * (at - zoom.x)) / (w * zoom.z)));
      this.cut.style.clipPath = `inset(0 ${100 - share}% 0 0)`;
      this.line.style.left = `${at}px`;
    }
    if (!this.isFull && this.item && zoom.z * this.scale * Math.max(...this.size) > 1700) { // the view has 1600 pixels
      this.isFull = true;
      this.after.src = fileURL(this.item.file);
      if (this.before && this.rival.value === "original" && this.item.originalFile) this.before.src = fileURL(this.item.originalFile);
    }
  }

  zoomAt(factor, event) {
    if (!this.size) return;
    const box = this.stage.getBoundingClientRect(), { z, x, y } = this.zoom, [cx, cy] = event ? [event.clientX - box.left, event.clientY - box.top] : [box.width / 2, box.height / 2];
    const most = Math.max(8, 8 / this.scale), next = Math.min(most, Math.max(1, z * factor));
    this.zoom = { z: next, x: cx - ((cx - x) * next) / z, y: cy - ((cy - y) * next) / z };
    this.place();
  }

  whole() {
    this.zoom = { z: 1, x: 0, y: 0 };
    this.place();
  }

  actual() {
    if (this.size) this.zoomAt(1 / (this.scale * (window.devicePixelRatio || 1)) / this.zoom.z);
  }

  down(event) {
    if (!this.size || event.target === this.split || event.target.controls) return;
    this.pointers.set(event.pointerId, event);
    this.stage.setPointerCapture(event.pointerId);
    this.moved = 0;
    if (this.pointers.size === 2) this.apart = this.distance();
  }

  distance() {
    const [one, other] = [...this.pointers.values()];
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    this.pointers.set(event.pointerId, event);
    this.moved += Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY);
    if (this.pointers.size === 2) {
      const apart = this.distance(), [one, other] = [...this.pointers.values()];
      this.zoomAt(apart / this.apart, { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 });
      this.apart = apart;
      return;
    }
    this.zoom.x += event.clientX - before.clientX;
    this.zoom.y += event.clientY - before.clientY;
    this.place();
  }

  up(event) {
    const had = this.pointers.delete(event.pointerId);
    if (had && this.moved < 5 && event.type === "pointerup" && !this.live) this.enlarge();
  }

  key(event) {
    const way = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (event.target === this.split) return;
    if (way) [this.zoom.x, this.zoom.y] = [this.zoom.x + way[0], this.zoom.y + way[1]];
    else if (event.key === "+") this.zoomAt(1.5);
    else if (event.key === "-") this.zoomAt(1 / 1.5);
    else if (event.key === "0") this.whole();
    else if (event.key === "Enter") this.enlarge();
    else return;
    event.preventDefault();
    this.place();
  }
}

function fileURL(path) {
  const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
  return `${root}${prefix}/file=${path.split("/").map(encodeURIComponent).join("/")}`;
}

function captionOf(item) {
  const words = item.caption ? `, ${item.caption}` : "";
  return `${item.picture}: ${item.title}${words}. ${item.width} \u00d7 ${item.height} pixels, ${item.seconds.toFixed(1)} s, seed ${item.seed}`;
}

customElements.define("singan-viewer", SinganViewer);
