// The page: a form, and a card for each portrait, which follows its check.
//
// What a visitor gives is only ever put into the page as text, or as the address of a picture.

import { problem, reason, speak, words } from "./words.js";

const MOST_BYTES = 5 << 20;
const MOST_AT_ONCE = 5; // a browser holds six connections to a host, and one is for the page itself

const byId = (id) => document.getElementById(id);
const cards = new Set();
const held = []; // those that wait for this page's own

// One portrait, and what became of it

class Card {
  constructor(portrait) {
    this.portrait = portrait; // { file } or { url }
    this.state = "held";
    this.about = {};
    this.longest = 0;
    this.element = byId("check").content.firstElementChild.cloneNode(true);
    this.picture = portrait.file ? URL.createObjectURL(portrait.file) : portrait.url;
    this.part("bdi").textContent = portrait.file ? portrait.file.name : shortened(portrait.url);
    this.part("bdi").title = portrait.file ? portrait.file.name : portrait.url;
    const image = this.part("img");
    image.referrerPolicy = "no-referrer";
    image.addEventListener("error", () => this.part(".picture").classList.add("broken"));
    image.src = this.picture;
    this.part(".leave").addEventListener("click", () => this.leave());
    this.part(".again").addEventListener("click", () => this.start());
    this.part(".remove").addEventListener("click", () => this.remove());
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  become(state, about = {}) {
    this.state = state;
    this.about = about;
    this.show();
    if (state !== "place" || this.said !== "place") byId("said").textContent = this.told().join(". ");
    this.said = state;
  }

  start() {
    this.longest = 0;
    this.become("held");
    held.push(this);
    goOn();
  }

  /** Follow the check from the line to its end. */
  async follow() {
    this.leaving = new AbortController();
    this.become("sending");
    try {
      await this.ask(this.leaving.signal);
      if (!this.isOver) this.become("problem", { kind: "lost" });
    } catch {
      this.become(this.leaving.signal.aborted ? "left" : "problem", { kind: "lost" });
    }
  }

  async ask(signal) {
    const form = new FormData();
    if (this.portrait.file) form.append("file", this.portrait.file);
    else form.append("url", this.portrait.url);
    const answer = await fetch("/checks", { method: "POST", body: form, signal });
    if (!answer.ok) {
      this.become("problem", { kind: answer.status === 413 ? "too-large" : "image-refused" });
      return;
    }
    for await (const { event, data } of events(answer.body)) {
      if (event === "problem") {
        const kind = data.type.split(":").pop();
        this.become("problem", { kind, detail: data.detail, seconds: Math.ceil(data.retry_after_s ?? 10) });
      } else if (event === "place") {
        this.longest = Math.max(this.longest, data.wait_s);
        this.become(data.stage === "sent" ? "sent" : "place", data);
      } else if (event === "verdict") {
        this.become(data.check_pass ? "passed" : "rejected", data);
      }
    }
  }

  leave() {
    const place = held.indexOf(this);
    if (place >= 0) {
      held.splice(place, 1);
      this.become("left");
    } else {
      this.leaving.abort();
    }
  }

  remove() {
    cards.delete(this);
    this.element.remove();
    if (this.portrait.file) URL.revokeObjectURL(this.picture);
    byId("url").focus({ preventScroll: true });
  }

  get isOver() {
    return ["passed", "rejected", "problem", "left"].includes(this.state);
  }

  /** Return the state in words, and what there is to add. */
  told() {
    const { ahead, wait_s, code, source, kind } = this.about;
    const known = source === "ledger" ? [words("known")] : [];
    switch (this.state) {
      case "place":
        return [
          ahead > 1 ? words("ahead", { ahead }) : words(ahead ? "aheadOne" : "next"),
          wait_s < 1 ? words("soon") : words("seconds", { seconds: Math.round(wait_s) }),
        ];
      case "passed":
        return [words("passed"), ...known];
      case "rejected":
        return [words("rejected"), reason(code), ...known];
      case "problem":
        return problem(kind, this.about);
      case "sent":
        return [words("sent"), words("sentMore")];
      case "left":
        return [words("left"), words("leftMore")];
      default:
        return [words(this.state)];
    }
  }

  /** Return what the service said, or why it was not asked. */
  inEnglish() {
    if (this.state === "rejected") return this.about.message;
    const [why] = this.about.kind === "image-skipped" ? this.about.detail.split(". ") : [""];
    return why && `${why[0].toUpperCase()}${why.slice(1)}.`;
  }

  show() {
    const [title, ...more] = this.told();
    this.element.dataset.state = this.state;
    this.part(".state b").textContent = title;
    this.part(".more").textContent = more.join(document.documentElement.lang === "en" ? " " : "");
    this.part(".service").textContent = this.inEnglish();
    const progress = this.part("progress");
    progress.hidden = this.state !== "place" && this.state !== "sent";
    progress.setAttribute("aria-label", title);
    if (this.state === "place") progress.value = this.longest ? 1 - this.about.wait_s / this.longest : 0;
    if (this.state === "sent") progress.removeAttribute("value");
    const isWaiting = ["held", "sending", "place"].includes(this.state);
    this.action(".leave", isWaiting);
    const isInVain = ["image-skipped", "too-large"].includes(this.about.kind);
    this.action(".again", this.isOver && !isInVain && this.about.check_pass === undefined);
    this.action(".remove", this.isOver);
  }

  action(selector, isThere) {
    const button = this.part(selector);
    button.hidden = !isThere;
    button.textContent = words(selector.slice(1));
  }
}

/** Follow as many as may be followed at once, the first first. */
function goOn() {
  const count = [...cards].filter((card) => card.isFollowed).length;
  for (const card of held.splice(0, MOST_AT_ONCE - count)) {
    card.isFollowed = true;
    card.follow().finally(() => {
      card.isFollowed = false;
      goOn();
    });
  }
}

/** Give the server-sent events of an answer. (`EventSource` sends no form.) */
async function* events(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const each of whole) {
      const fields = Object.fromEntries(each.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
      if (fields.data) yield { event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

/** Return the end of an address, which tells it from its neighbours, and its host. */
function shortened(url) {
  const { host, pathname } = new URL(url);
  const name = pathname.split("/").pop();
  const end = name.length > 60 ? `…${name.slice(-60)}` : name;
  return end ? `${end} · ${host}` : host;
}

// The form

function add(portraits) {
  const added = portraits.map((portrait) => new Card(portrait));
  byId("checks").prepend(...added.map((card) => card.element));
  for (const card of added) {
    cards.add(card);
    if (card.portrait.file && card.portrait.file.size > MOST_BYTES) card.become("problem", { kind: "too-large" });
    else card.start();
  }
  if (added.length) added[0].element.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function addFiles(files) {
  add([...files].map((file) => ({ file })));
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("url");
  let url;
  try {
    url = new URL(field.value.trim());
  } catch {
    url = { protocol: "" };
  }
  const isGood = url.protocol === "http:" || url.protocol === "https:";
  byId("mistake").textContent = isGood ? "" : words("noAddress");
  field.setAttribute("aria-invalid", String(!isGood));
  if (!isGood) {
    field.focus();
    return;
  }
  field.value = "";
  add([{ url: url.href }]);
});

byId("file").addEventListener("change", (event) => {
  addFiles(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});

for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", async () => {
    const name = button.dataset.sample;
    const blob = await (await fetch(`/photographs/${name}`)).blob();
    addFiles([new File([blob], name, { type: blob.type })]);
  });
}

const drop = byId("drop");
for (const kind of ["dragover", "drop", "dragleave"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // a file beside the field would replace the page
    drop.classList.toggle("over", kind === "dragover");
    if (kind === "drop") addFiles(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) addFiles(event.clipboardData.files);
});

// The language

function translate(language) {
  speak(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words("brand");
  for (const element of document.querySelectorAll("[data-words]")) element.textContent = words(element.dataset.words);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words(element.dataset.label));
    if (element.dataset.sample) element.title = words(element.dataset.label);
  }
  const other = byId("language");
  other.textContent = language === "zh" ? "English" : "中文";
  other.lang = language === "zh" ? "en" : "zh";
  byId("mistake").textContent = "";
  for (const card of cards) card.show();
}

byId("language").addEventListener("click", () => {
  translate(document.documentElement.lang === "en" ? "zh" : "en");
});
const first = navigator.languages.find((each) => /^(zh|en)\b/.test(each)) ?? "en";
translate(first.slice(0, 2));
