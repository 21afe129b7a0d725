/* What holds the page together: the first page and the desk, the tools, the work that goes on, keys, dark mode. */

const MODES = {};

window.singanPlace = (place) => {
  document.body.dataset.place = place;
  if (place === "landing") window.scrollTo(0, 0);
  for (const name of ["singan-canvas", "singan-viewer"]) for (const element of document.querySelectorAll(name)) element.fit?.();
};

window.singanTool = (name, modes) => {
  Object.assign(MODES, modes);
  const known = name || "variations";
  document.body.dataset.tool = known;
  const input = document.querySelector(`#tools input[value="${CSS.escape(known)}"]`);
  if (input && !input.checked) input.click();
  const chip = input?.closest("label"), row = chip?.parentElement; // on a phone, the row of tools is wider than the screen
  row?.parentElement.scrollTo({ left: chip.offsetLeft - row.offsetLeft - 40 });
  window.singanMode("canvas", MODES[known] || "look");
  return [known];
};

// The user's token, which the server gives to a page that is new: clicks that come earlier wait for it.
const owned = new Promise((resolve) => { window.singanOwned = resolve; });
window.singanOwner = () => owned;

// A picture was opened: show it, and the newest result of it.
window.singanOpened = (text) => {
  if (!text) return;
  const { title, several } = JSON.parse(text);
  document.body.dataset.several = several;
  window.singanPlace("desk");
  window.singanLoad("canvas", text);
  document.getElementById("history").showNewestOf(title);
  window.scrollTo(0, 0);
};

window.singanLive = (text) => {
  if (!text) return;
  const { piece, preview, words, active } = JSON.parse(text), viewer = document.getElementById("viewer"), history = document.getElementById("history");
  if (viewer.piece !== piece) viewer.held = false;
  [viewer.piece, viewer.working] = [piece, active];
  if (active && !viewer.held) viewer.preview(preview, words);
  else if (active) return;
  else if (viewer.live) history.show(history.shownKey);
};

// ---- dark mode: as the system says, until it is switched ----

function showDark() {
  const kept = localStorage.getItem("singan-dark"), is = kept === null ? matchMedia("(prefers-color-scheme: dark)").matches : kept === "true";
  document.body.classList.toggle("dark", is);
}

window.singanDark = () => {
  localStorage.setItem("singan-dark", !document.body.classList.contains("dark"));
  showDark();
};

// ---- keys, and pictures from the clipboard ----

addEventListener("keydown", (event) => {
  const viewer = document.getElementById("viewer");
  if (event.key === "Escape" && viewer?.classList.contains("large")) viewer.enlarge();
});

addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const input = document.querySelector("#upload input[type=file]");
  if (!files.length || !input) return;
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

addEventListener("resize", () => {
  for (const name of ["singan-canvas", "singan-viewer"]) for (const element of document.querySelectorAll(name)) element.fit?.();
});

// ---- names of Gradio's buttons that those who hear the page understand, and the title of its messages ----

new MutationObserver(() => {
  for (const button of document.querySelectorAll("#landing .thumbnail-item, #landing .upload-container")) {
    const words = button.innerText.replace(/\s+/g, " ").trim();
    if (words && button.getAttribute("aria-label") !== words) button.setAttribute("aria-label", words);
  }
  for (const title of document.querySelectorAll(".toast-title.error")) {
    const words = title.firstChild; // Gradio shows no other title than this
    if (words?.data?.startsWith("Error")) words.data = words.data.replace("Error", "That can't be done");
  }
}).observe(document.body, { childList: true, subtree: true });

document.body.dataset.place = "landing";
document.body.dataset.tool = "variations";
document.documentElement.lang ||= "en";
showDark();
