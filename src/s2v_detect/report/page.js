"use strict";
// Rows are drawn a page at a time: ten thousand of them stay quick. Text is set as text, never as
// markup, and an address becomes a source or a link only if it is http or https.
// A page that is served while a run goes on is this page too: its parts and rows come as events.
let rows = JSON.parse(document.getElementById("rows").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const PAGE = 120;
const MOST_ROWS = 20000; // of a page that is served: what is open for days stays small
const MOST_PARTS = 4;
const LONGEST_CAPTION = 60;
const gallery = document.getElementById("gallery");
const more = document.getElementById("more");
const count = document.getElementById("count");
const search = document.getElementById("search");
const detail = document.getElementById("detail");
const body = document.getElementById("detail-body");
const state = { filter: "all", group: "", reason: "", words: "" };
const events = document.body.dataset.events;
let goesOn = Boolean(events);
let found = [];
let drawn = 0;
let hasNews = false;

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

function shown(row) {
  if (row.file) return row.image; // a name may hold a question mark
  const [path, query] = (row.image || "").split(/\?(.*)/s);
  return path.replace(/\/\/[^/@]*@/, "//") + (query === undefined ? "" : "?…");
}

// A file of the machine that the page was made on: from beside the page, and nothing else.
function local(row) {
  return row.file && !events ? row.file.split("/").map(encodeURIComponent).join("/") : "";
}

function filled(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// Times are written in UTC, for a page without its script. Here they are those of the reader's zone,
// which is named; what programs read of them stays as it is.
const locale = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const [date, day, time] = [{ dateStyle: "long" }, { day: "2-digit", month: "short" }, { timeStyle: "medium", hourCycle: "h23" }]
  .map((options) => new Intl.DateTimeFormat(locale, options))
  .map((written) => (at) => written.format(at));
const zones = new Intl.DateTimeFormat(locale, { timeZoneName: "short" });

function timeInZone(at) {
  return `${time(at)} ${zones.formatToParts(at).find((part) => part.type === "timeZoneName").value}`;
}

function inZone(place) {
  let last = "";
  for (const tick of place.querySelectorAll(".ticks [data-at]")) {
    const at = new Date(tick.dataset.at);
    tick.textContent = day(at) === last ? time(at) : `${day(at)} ${time(at)}`;
    last = day(at);
  }
  for (const bar of place.querySelectorAll("title[data-at]")) {
    const at = new Date(bar.dataset.at);
    bar.textContent = bar.textContent.replace(/^.* UTC/, `${day(at)} ${timeInZone(at)}`);
  }
}

// As somebody's file has it, where it does not say its zone.
function toldTime(text) {
  const at = new Date(text);
  return /\d(Z|[+-]\d\d:?\d\d)$/.test(text) && !isNaN(at) ? `${date(at)} ${timeInZone(at)}` : text;
}

// A reason without a code has a name in the page's language; what finds the row stays as it is.
function named(row) {
  const names = words.reasons[row.group] || {};
  return Object.hasOwn(names, row.reason) ? names[row.reason] : row.reason;
}

// Text to be searched: the same letters in another width or composed in another way are the same.
function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

// The end of an address tells images apart, not its middle: a caption has as many of the last parts
// as no other image has. A tail is kept with its image's name, or with none where several have it.
const tails = new Map();

function endings(name) {
  const made = [];
  for (let at = name.length; at > 0 && made.length < MOST_PARTS; ) {
    at = name.lastIndexOf("/", at - 1);
    made.push(name.slice(at + 1));
  }
  return made;
}

// What is read as one letter: a name is not cut between a letter and its accent, or within an emoji.
const segmenter = "Segmenter" in Intl ? new Intl.Segmenter() : null;

function lettersOf(text) {
  return segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : [...text];
}

function caption(row) {
  const ends = endings(row.name);
  const text = ends.find((end) => tails.get(end) === row.name) || ends[ends.length - 1] || "";
  if (text.length <= LONGEST_CAPTION) return text;
  const letters = lettersOf(text);
  return letters.length > LONGEST_CAPTION ? "…" + letters.slice(1 - LONGEST_CAPTION).join("") : text;
}

// Small from the page itself, large from where it lies; where that is not to be had, small again.
function picture(row, isLarge) {
  const elsewhere = local(row) || (row.group === "skipped" ? "" : remote(row.url));
  const choices = (isLarge ? [elsewhere, row.picture] : [row.picture || elsewhere]).filter(Boolean);
  if (!choices.length) return null;
  const img = document.createElement("img");
  img.referrerPolicy = "no-referrer";
  img.decoding = "async";
  if (!isLarge) img.loading = "lazy";
  img.alt = "";
  img.src = choices.shift();
  img.addEventListener("error", () => {
    if (choices.length) img.src = choices.shift();
    else img.remove();
  });
  return img;
}

function tile(row) {
  const made = element("button", "tile " + row.group);
  made.type = "button";
  const frame = element("div", "picture");
  frame.dataset.none = words.no_picture;
  const img = picture(row, false);
  if (img) frame.append(img);
  if (row.line) frame.append(element("small", "line", filled(words.line, row)));
  const told = element("div", "caption");
  told.append(element("b", "", named(row) || words[row.group]), element("span", "", caption(row)));
  made.title = row.name;
  made.append(frame, told);
  made.addEventListener("click", () => open(row));
  return made;
}

function open(row) {
  body.replaceChildren();
  const img = picture(row, true);
  if (img) body.append(img);
  const table = element("table");
  const tell = (name, value) => {
    const line = element("tr");
    const cell = element("td", "", value);
    line.append(element("th", "", name), cell);
    table.append(line);
    return cell;
  };
  tell(words.group, words[row.group]); // whatever somebody's own columns are called
  for (const [name, label] of Object.entries(words.fields)) {
    if (row[name] === undefined) continue;
    if (name === "at") tell(label, toldTime(row.at)).title = row.at;
    else tell(label, name === "image" ? row.name : row[name]);
  }
  for (const [name, value] of Object.entries(row.more || {})) tell(name, value);
  if (row.is_cut) tell(words.own, words.too_long);
  body.append(table);
  const address = local(row) || remote(row.url);
  if (address) {
    const link = element("a", "", words.open);
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
  if (goesOn) found.reverse(); // the latest first
  drawn = 0;
  hasNews = false;
  gallery.replaceChildren();
  tell();
  for (const button of document.querySelectorAll("[data-filter]")) button.setAttribute("aria-pressed", String(button.dataset.filter === state.filter));
  press();
  draw();
}

function tell() {
  const [some, all] = [found.length, rows.length].map((each) => each.toLocaleString("en"));
  count.textContent = filled(words.count, { found: some, all });
}

function press() {
  for (const button of document.querySelectorAll("[data-reason]")) button.setAttribute("aria-pressed", String(button.dataset.reason === state.reason && button.dataset.group === state.group));
}

// What says nothing new in a row is not in the file.
function completed(row) {
  row.reason = row.reason || "";
  row.url = row.url === undefined ? row.image || "" : row.url;
  const name = shown(row);
  const told = [row.image, row.message, row.code, row.line, row.error, named(row), ...Object.entries(row.more || {}).flat()];
  const text = folded(told.join("\n"));
  for (const [key, value] of Object.entries({ name, text })) Object.defineProperty(row, key, { value });
  for (const end of endings(name)) {
    const had = tails.get(end);
    tails.set(end, had === undefined || had === name ? name : "");
  }
  return row;
}

rows.forEach(completed);
inZone(document);
const made = document.querySelector("time");
made.textContent = toldTime(made.dateTime);
for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => { state.filter = button.dataset.filter; state.reason = state.group = ""; refresh(); });
}
document.getElementById("reasons").addEventListener("click", (event) => {
  const button = event.target.closest("[data-reason]");
  if (!button) return;
  const again = state.reason === button.dataset.reason && state.group === button.dataset.group;
  state.filter = "all";
  state.reason = again ? "" : button.dataset.reason;
  state.group = again ? "" : button.dataset.group;
  refresh();
  if (!again) gallery.scrollIntoView({ block: "nearest" });
});
search.addEventListener("input", () => { state.words = folded(search.value.trim()); refresh(); });
more.addEventListener("click", draw);
detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
refresh();

// While a run goes on. Nothing moves under a finger: a part is not replaced while it is pressed, and
// no tile is put before those that somebody has scrolled to.
const latest = {};
const standing = {};
let isPressed = false;

function show(parts) {
  Object.assign(latest, parts);
  if (isPressed) return;
  for (const [name, html] of Object.entries(latest)) {
    delete latest[name];
    if (standing[name] === html) continue;
    standing[name] = html;
    const part = document.getElementById(name);
    const { group, reason } = part.contains(document.activeElement) ? document.activeElement.dataset : {};
    part.innerHTML = html; // from the page's own template, which escapes
    inZone(part);
    for (const button of part.querySelectorAll("[data-reason]")) {
      if (button.dataset.reason === reason && button.dataset.group === group) button.focus();
    }
  }
  press();
}

function isScrolledTo() {
  return gallery.getBoundingClientRect().top < 0;
}

function add(news) {
  rows.push(...news.map(completed));
  if (rows.length > MOST_ROWS) {
    let surplus = rows.length - MOST_ROWS + PAGE;
    rows = rows.filter((row) => row.group !== "passed" || surplus-- <= 0);
    rows.splice(0, rows.length - MOST_ROWS);
  }
  const fitting = news.filter(fits).reverse();
  found.unshift(...fitting);
  tell();
  if (isScrolledTo()) {
    hasNews = hasNews || fitting.length > 0;
    return;
  }
  const room = Math.max(PAGE, drawn);
  gallery.prepend(...fitting.slice(0, room).map(tile));
  while (gallery.childElementCount > room) gallery.lastElementChild.remove();
  drawn = gallery.childElementCount;
  more.hidden = drawn >= found.length;
}

function follow(address) {
  const feed = new EventSource(address);
  const lost = element("p", "lost");
  let at = new Date();
  lost.setAttribute("role", "alert");
  count.setAttribute("aria-live", "off"); // else it would be read out every second
  const on = (kind, act) => feed.addEventListener(kind, (event) => {
    at = new Date();
    lost.remove();
    act(JSON.parse(event.data));
  });
  on("rows", add);
  on("parts", show);
  on("ended", (last) => {
    feed.close();
    goesOn = isPressed = false;
    rows = last.rows.map(completed);
    show(last.parts);
    refresh();
  });
  feed.addEventListener("error", () => {
    lost.textContent = filled(words.lost, { time: timeInZone(at) });
    document.getElementById("progress").after(lost);
  });
}

if (events) {
  document.addEventListener("pointerdown", () => { isPressed = true; });
  for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, () => setTimeout(() => { isPressed = false; show({}); }));
  document.addEventListener("scroll", () => { if (hasNews && !isScrolledTo()) refresh(); }, { passive: true });
  follow(events);
}
