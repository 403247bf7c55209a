"use strict";
// Rows are drawn a page at a time: ten thousand of them stay quick. Text is set as text, never as
// markup, and an address becomes a source or a link only if it is http or https.
const rows = JSON.parse(document.getElementById("rows").textContent);
const PAGE = 120;
const gallery = document.getElementById("gallery");
const more = document.getElementById("more");
const count = document.getElementById("count");
const search = document.getElementById("search");
const detail = document.getElementById("detail");
const body = document.getElementById("detail-body");
const state = { filter: "all", group: "", reason: "", words: "" };
let found = [];
let drawn = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function remote(address) {
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : "";
  } catch {
    return "";
  }
}

function shown(address) {
  const [path, query] = address.split(/\?(.*)/s);
  return path.replace(/\/\/[^/@]*@/, "//") + (query === undefined ? "" : "?…");
}

// A file of the machine that the page was made on: from beside the page, and nothing else.
function local(row) {
  return row.file ? row.file.split("/").map(encodeURIComponent).join("/") : "";
}

function picture(row, lazy) {
  const address = local(row) || (row.group === "skipped" ? "" : remote(row.url));
  if (!address) return null;
  const img = document.createElement("img");
  img.referrerPolicy = "no-referrer";
  img.decoding = "async";
  if (lazy) img.loading = "lazy";
  img.alt = "";
  img.src = address;
  return img;
}

function tile(row) {
  const made = element("button", "tile " + row.group);
  made.type = "button";
  const frame = element("div", "picture");
  const img = picture(row, true);
  if (img) {
    img.addEventListener("error", () => { img.remove(); frame.classList.add("broken"); });
    frame.append(img);
  } else {
    frame.classList.add("broken");
  }
  const caption = element("div", "caption");
  const name = shown(row.image || "");
  caption.append(element("b", "", row.reason || row.group), element("span", "", row.file ? name.split("/").pop() : name));
  made.title = name;
  made.append(frame, caption);
  made.addEventListener("click", () => open(row));
  return made;
}

function open(row) {
  body.replaceChildren();
  const img = picture(row, false);
  if (img) {
    img.addEventListener("error", () => img.remove());
    body.append(img);
  }
  const table = element("table");
  const { url, file, more: own, group, reason, ...fields } = row;
  for (const [name, value] of Object.entries({ result: group, ...fields, ...own })) {
    const line = element("tr");
    line.append(element("th", "", name), element("td", "", name === "image" ? shown(value) : value));
    table.append(line);
  }
  body.append(table);
  const address = local(row) || remote(url);
  if (address) {
    const link = element("a", "", "Open the image");
    link.href = address;
    link.rel = "noopener noreferrer";
    link.target = "_blank";
    body.append(link);
  }
  detail.showModal();
}

function fits(row) {
  if (state.filter === "unknown bill" ? row.billed !== "unknown" : state.filter !== "all" && row.group !== state.filter) return false;
  if (state.reason && (row.reason !== state.reason || row.group !== state.group)) return false;
  return !state.words || row.text.includes(state.words);
}

function draw() {
  const next = found.slice(drawn, drawn + PAGE).map(tile);
  gallery.append(...next);
  drawn += next.length;
  more.hidden = drawn >= found.length;
}

function refresh() {
  found = rows.filter(fits);
  drawn = 0;
  gallery.replaceChildren();
  count.textContent = found.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en");
  for (const button of document.querySelectorAll("[data-filter]")) button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
  for (const button of document.querySelectorAll("[data-reason]")) button.setAttribute("aria-pressed", String(button.dataset.reason === state.reason && button.dataset.group === state.group));
  draw();
}

// What says nothing new in a row is not in the file.
for (const row of rows) {
  row.reason = row.reason || "";
  row.url = row.url === undefined ? row.image || "" : row.url;
}
for (const row of rows) row.text = JSON.stringify([row.image, row.message, row.code, row.line, row.error, row.more]).toLowerCase();
for (const row of rows) Object.defineProperty(row, "text", { enumerable: false });
for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => { state.filter = button.dataset.filter; state.reason = state.group = ""; refresh(); });
}
for (const button of document.querySelectorAll("[data-reason]")) {
  button.addEventListener("click", () => {
    const again = state.reason === button.dataset.reason && state.group === button.dataset.group;
    state.filter = "all";
    state.reason = again ? "" : button.dataset.reason;
    state.group = again ? "" : button.dataset.group;
    refresh();
    if (!again) gallery.scrollIntoView({ block: "nearest" });
  });
}
search.addEventListener("input", () => { state.words = search.value.trim().toLowerCase(); refresh(); });
more.addEventListener("click", draw);
detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
refresh();
