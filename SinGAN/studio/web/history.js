/* The history: <singan-history id="history"></singan-history>. All results, the newest first; one is shown in the viewer,
   any number is ticked. The page gives the list by singanHistory(json), and takes keys by singanShown() and singanTicked(). */

const runOf = (item) => item.key.split("/")[0];

class SinganHistory extends HTMLElement {
  connectedCallback() {
    if (this.list) return;
    this.items = [];
    this.ticked = new Set();
    const head = make("div", this, { className: "singan-head" });
    this.heading = make("h2", head, { textContent: "History" });
    this.all = make("label", head, { textContent: "Tick all", hidden: true });
    this.allTicked = make("input", this.all, { type: "checkbox" });
    this.allTicked.onchange = () => {
      this.ticked = new Set(this.allTicked.checked ? this.items.map((item) => item.key) : []);
      for (const tick of this.list.querySelectorAll("input")) tick.checked = this.allTicked.checked;
    };
    this.list = make("ul", this);
    this.list.setAttribute("aria-label", "All results, the newest first");
    this.list.onkeydown = (event) => this.key(event);
  }

  load(items) {
    const known = new Set(this.items.map((item) => item.key)), isFirst = !this.hasLoaded, fresh = items.filter((item) => !known.has(item.key));
    this.hasLoaded = true;
    this.items = items;
    for (const key of this.ticked) if (!items.some((item) => item.key === key)) this.ticked.delete(key);
    const size = items.reduce((sum, item) => sum + item.bytes, 0) / 2 ** 20;
    this.heading.textContent = items.length ? `History (${items.length}, ${size < 10 ? size.toFixed(1) : Math.round(size)} MB)` : "History: every result is kept here";
    this.all.hidden = items.length < 2;
    this.showAllTicked();
    this.list.replaceChildren(...items.map((item) => this.entry(item)));
    const gone = this.shownKey && !items.some((item) => item.key === this.shownKey);
    const viewer = document.getElementById("viewer");
    const isSeen = !isFirst && fresh.length && runOf(fresh[0]) === runOf({ key: this.shownKey ?? "" });
    if (gone || ((isFirst || fresh.length) && !viewer.held && !isSeen)) this.show(this.firstOfRun(items[0])?.key);
    else this.mark();
  }

  // Of several results of one run the first is shown: it follows the drawing most closely.
  firstOfRun(item) {
    return item && this.items.findLast((one) => runOf(one) === runOf(item));
  }

  entry(item) {
    const line = document.createElement("li");
    line.dataset.key = item.key;
    const button = make("button", line, { type: "button", title: captionOf(item), onclick: () => this.choose(item.key) });
    make("img", button, { src: fileURL(item.thumb), alt: captionOf(item), loading: "lazy", draggable: false });
    make("span", button, { textContent: item.caption ? `${item.title}, ${item.caption}` : item.title });
    const label = make("label", line, { title: "Tick several: to download them, or to remove them" });
    const tick = make("input", label, { type: "checkbox", checked: this.ticked.has(item.key) });
    tick.setAttribute("aria-label", `Tick ${captionOf(item)}`);
    tick.onchange = () => {
      tick.checked ? this.ticked.add(item.key) : this.ticked.delete(item.key);
      this.showAllTicked();
    };
    return line;
  }

  showAllTicked() {
    this.allTicked.checked = this.ticked.size > 0 && this.ticked.size === this.items.length;
  }

  // Chosen by hand: while work goes on, its previews do not take the place.
  choose(key) {
    const viewer = document.getElementById("viewer");
    viewer.held = viewer.working;
    this.show(key);
  }

  show(key) {
    this.shownKey = key;
    document.getElementById("viewer").show(this.items.find((item) => item.key === key) || null);
    this.mark();
  }

  // Only results of the picture that was chosen are shown by themselves.
  showNewestOf(title) {
    this.show(this.firstOfRun(this.items.find((item) => item.picture === title))?.key);
  }

  mark() {
    for (const line of this.list.children) {
      const is = line.dataset.key === this.shownKey;
      line.classList.toggle("chosen", is);
      line.firstChild.setAttribute("aria-pressed", is);
    }
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], place = this.items.findIndex((item) => item.key === this.shownKey);
    if (!step || event.target.type === "checkbox") return;
    const next = this.items[Math.min(this.items.length - 1, Math.max(0, place + step))];
    event.preventDefault();
    this.choose(next.key);
    this.list.querySelector("li.chosen button")?.focus();
  }
}

customElements.define("singan-history", SinganHistory);

const theHistory = () => document.getElementById("history");
window.singanHistory = (text) => text && theHistory().load(JSON.parse(text));
window.singanShown = () => theHistory().shownKey ?? "";
window.singanTicked = () => JSON.stringify(theHistory().ticked.size ? theHistory().items.filter((item) => theHistory().ticked.has(item.key)).map((item) => item.key) : [theHistory().shownKey].filter(Boolean));
window.singanDelete = () => {
  const keys = window.singanTicked(), count = JSON.parse(keys).length;
  return count < 2 || confirm(`Delete ${count} results? They can't be restored.`) ? keys : "[]";
};
window.singanPin = () => {
  const item = theHistory().items.find((one) => one.key === theHistory().shownKey), viewer = document.getElementById("viewer");
  if (item) viewer.pin(item);
  viewer.show(item ?? null);
};
window.singanDownload = async () => {
  const item = theHistory().items.find((one) => one.key === theHistory().shownKey);
  if (!item) return;
  const url = URL.createObjectURL(await (await fetch(fileURL(item.file))).blob()); // the server's own name would win
  Object.assign(document.createElement("a"), { href: url, download: item.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
};
