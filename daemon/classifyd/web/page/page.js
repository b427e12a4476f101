// The status page: asks the daemon every two seconds and draws what it says. Everything that comes from outside is put
// into the page as text, never as markup; nothing is fetched from anywhere else.
"use strict";

const POLL_MS = 2000;
const KINDS = 8;
const KEY = "classifyd-token";
const WHO = "classifyd-who";
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const shortNumber = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

let token = sessionStorage.getItem(KEY) ?? "";
let revision = null;
let quarantineDue = 0;
const drawn = new Map();

// ------------------------------------------------------------------ making elements

function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// Draws a part anew only when what it shows has changed: focus and selection stay where they are.
function show(id, data, children) {
  const told = JSON.stringify(data);
  if (drawn.get(id) === told) return;
  drawn.set(id, told);
  const held = $(id).contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  $(id).replaceChildren(...[children()].flat());
  if (held) [...$(id).querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === held)?.focus();
}

// ------------------------------------------------------------------ asking

async function ask(path, options = {}, key = token) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(path, { ...options, headers: { ...headers, ...options.headers }, cache: "no-store" });
  if (!answer.ok) {
    const fault = new Error((await answer.text()).trim() || `the daemon answered ${answer.status}`);
    fault.status = answer.status;
    throw fault;
  }
  return answer.json();
}

function send(path, what) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what) });
}

async function look() {
  try {
    const status = await ask("/api/status");
    if (token && !status.entitled) forget();
    render(status);
    await lookFurther(status);
  } catch (fault) {
    state("gone", fault.status ? fault.message : "The daemon cannot be reached");
  }
}

async function watch() {
  if (!document.hidden) await look();
  setTimeout(watch, POLL_MS);
}

async function lookFurther(status) {
  if (!token) {
    show("results", "locked", () => make("li", {}, locked("The newest results and their texts are shown with the daemon’s token.")));
    show("quarantine", "locked", () => locked("The quarantined files and their reasons are shown with the daemon’s token."));
    show("quarantine-count", "", () => []);
    review.clear();
    return;
  }
  const changed = status.revision !== revision;
  if (changed) renderResults((await ask("/api/results")).results);
  if (changed || Date.now() >= quarantineDue) {
    renderQuarantine(await ask("/api/quarantine"));
    quarantineDue = Date.now() + 5000;
    await review.look();
  }
  revision = status.revision;
}

function locked(sentence) {
  const open = make("button", { type: "button", class: "quiet" }, "Unlock");
  open.addEventListener("click", unlock);
  return make("p", { class: "empty" }, sentence, " ", open);
}

// ------------------------------------------------------------------ the token

function unlock() {
  $("unlock-fault").textContent = "";
  $("token").value = "";
  $("unlock").showModal();
  $("token").focus();
}

function keep(given) {
  token = given;
  sessionStorage.setItem(KEY, given);
  revision = null;
  quarantineDue = 0;
  $("lock").textContent = "Lock";
}

function forget() {
  token = "";
  sessionStorage.removeItem(KEY);
  revision = null;
  $("lock").textContent = "Unlock";
}

async function tryToken(event) {
  event.preventDefault();
  const given = $("token").value.trim();
  try {
    const status = await ask("/api/status", {}, given);
    if (!status.entitled) throw new Error("That is not this daemon’s token.");
    keep(given);
    $("unlock").close();
    render(status);
    await lookFurther(status);
  } catch (fault) {
    $("unlock-fault").textContent = fault.message;
  }
}

// ------------------------------------------------------------------ words

function ago(seconds) {
  if (seconds < 1) return "now";
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

function say(sentence) {
  $("said").textContent = sentence;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("said").textContent = ""; }, 6000);
}

function state(kind, sentence) {
  $("state").dataset.state = kind;
  if ($("state-text").textContent !== sentence) $("state-text").textContent = sentence;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const score = (value) => (typeof value === "number" ? value.toFixed(2) : "");
const cell = (head, value, zero) => make("td", { class: zero ? "number zero" : "number", "data-head": head }, value);
const files = (many) => `${number.format(many)} ${many === 1 ? "file" : "files"}`;

// ------------------------------------------------------------------ the parts of the page

function render(status) {
  const words = { loading: "Loading models", running: `Running for ${ago(status.now - status.started_at)}`, stopping: "Stopping" };
  const busy = status.state === "running" ? ` · ${status.workers.busy} of ${status.workers.count} workers busy` : "";
  const nodes = status.nodes.map((one) => ` · ${one.node}: ${one.jobs} of ${one.actors}`).join("");
  state(status.trouble ? "trouble" : status.state, status.trouble || words[status.state] + busy + nodes);
  renderTroubles(status);
  renderThroughput(status);
  renderInboxes(status);
  renderLarge(status);
  learnKinds(status.models);
  show("labels", status.labels, () => mixes(status.labels));
  show("models", status.models, () => status.models.map(model));
}

function renderTroubles(status) {
  const held = Object.entries(status.held).map(([what, why]) => make("p", {}, make("strong", {}, `${what} waits`), why && `: ${why}`));
  const refused = status.models.filter((one) => one.refused).map((one) =>
    make("p", {}, make("strong", {}, `${one.task}@${one.version} goes on`), `: ${one.refused}`));
  const unmet = Object.entries(status.unmet).map(([what, why]) => make("p", {}, make("strong", {}, `${what} is not in force`), why && `: ${why}`));
  const drifts = status.models.flatMap((one) => (one.drift?.warnings ?? []).map((warning) =>
    make("p", {}, make("strong", {}, `${one.task}@${one.version} drifts`), `: ${warning}`)));
  const all = [...held, ...refused, ...unmet, ...drifts];
  $("troubles").hidden = !all.length;
  show("troubles", all.map((one) => one.textContent), () => all);
}

function renderThroughput(status) {
  const minutes = status.throughput.map((byInbox) => Object.values(byInbox).reduce((sum, one) => sum + one, 0));
  const running = minutes.pop();
  const total = minutes.reduce((sum, one) => sum + one, 0);
  const waiting = status.inboxes.reduce((sum, inbox) => sum + inbox.waiting + inbox.claimed, 0);
  show("figures", [total, running, waiting], () => [
    figure("records in the last hour", total), figure("this minute", running), figure("files in the queue", waiting),
  ]);
  graph.draw(minutes, Math.floor(status.now / 60) - 1);
}

function figure(what, value) {
  return make("div", {}, make("dt", {}, what), make("dd", {}, number.format(value)));
}

function renderInboxes(status) {
  const heads = ["Inbox", "Waiting", "In work", "Oldest", "Done", "Records", "Errors", "For review"];
  const acts = Boolean(token);
  const oldest = (inbox) => (inbox.oldest_at ? ago(status.now - inbox.oldest_at) : "–");
  show("inboxes", [acts, status.inboxes.map((inbox) => [inbox, oldest(inbox)])], () => [
    make("thead", {}, make("tr", {}, heads.map((head, place) => make("th", { scope: "col", class: place ? "number" : null }, head)),
      acts ? make("td", {}) : null)),
    make("tbody", {}, status.inboxes.map((inbox) => make("tr", {},
      make("th", { scope: "row" }, inbox.name, " ", make("span", { class: "dim" }, inbox.tasks.join(", ")), inbox.paused ? pausedBy(inbox) : null),
      ["waiting", "claimed", "oldest_at", "done", "records", "errors", "reviews"].map((key, place) =>
        cell(heads[place + 1], key === "oldest_at" ? oldest(inbox) : number.format(inbox[key]), !inbox[key])),
      acts ? make("td", { class: "number" }, pauseButton(inbox)) : null))),
  ]);
}

function pausedBy(inbox) {
  return make("span", { class: "paused" }, inbox.paused_by ? `paused by ${inbox.paused_by}` : "paused");
}

function pauseButton(inbox) {
  const [word, path, done] = inbox.paused ? ["Resume", "/api/resume", "goes on"] : ["Pause", "/api/pause", "is paused; what workers have in hand is finished"];
  return act(word, `${word} ${inbox.name}`, path, () => ({ inbox: inbox.name, who: $("review-who").value }), `${inbox.name} ${done}`);
}

// A button for a deed that the daemon's next answers show. Pressed, it stays shut until it is drawn anew.
function act(word, label, path, what, done, question = null) {
  const button = make("button", { type: "button", class: "quiet", "aria-label": label }, word);
  button.addEventListener("click", async () => {
    if (question && !confirm(question)) return;
    button.disabled = true;
    try {
      await send(path, what());
      say(done);
    } catch (fault) {
      say(fault.message);
      button.disabled = false;
    }
  });
  return button;
}

// Nothing is foretold before something was measured: the daemon leaves the rate and the time out until then.
function renderLarge(status) {
  const heads = ["File", "Done", "Splits", "Records", "Records/s", "Time left"];
  $("large").hidden = !status.progress.length;
  show("large-files", [Boolean(token), status.progress], () => [
    make("thead", {}, make("tr", {}, heads.map((head, place) => make("th", { scope: "col", class: place > 1 ? "number" : null }, head)),
      token ? make("td", {}) : null)),
    make("tbody", {}, status.progress.map(large)),
  ]);
}

function large(one) {
  const stages = { cutting: "being cut", assembling: "being assembled" };
  const measured = (value, told) => cell("", value === null ? "–" : told(value), value === null);
  return make("tr", {},
    make("th", { scope: "row" }, one.file ?? "a file", " ", make("span", { class: "dim" }, `${one.inbox} · ${shortNumber.format(one.size)}B`)),
    make("td", {}, one.stage === "annotating"
      ? [make("progress", { value: one.share, max: 1, "aria-label": `Done of ${one.file ?? "a file"}` }), " ", percent(one.share)]
      : stages[one.stage]),
    cell("", one.splits ? `${number.format(one.splits_done)} of ${number.format(one.splits)}` : "–", !one.splits),
    cell("", number.format(one.records), !one.records),
    measured(one.records_per_second, (rate) => number.format(Math.round(rate))),
    measured(one.seconds_left, left),
    token && one.claim ? make("td", { class: "number" }, cancelButton(one)) : null);
}

function cancelButton(one) {
  const question = `Cancel ${one.file}? What was made of it is removed, and the file goes to quarantine; Retry begins it anew.`;
  const what = () => ({ claim: one.claim, who: $("review-who").value });
  return act("Cancel", `Cancel ${one.file}`, "/api/cancel", what, `${one.file} is cancelled, and goes to quarantine`, question);
}

function left(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return `${Math.round(seconds)} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// The same label has the same colour everywhere on the page, as long as there are colours.
function kind(task, label) {
  const known = kind.known.get(task) ?? kind.known.set(task, new Map()).get(task);
  if (!known.has(label)) known.set(label, Math.min(known.size, KINDS - 1));
  return `k${known.get(label)}`;
}
kind.known = new Map();

// In the order of the model's own list, so that a colour does not depend on what comes first.
function learnKinds(models) {
  for (const one of models) {
    const labels = one.labels ?? [];
    const tags = labels.some((label) => label.startsWith("B-"));
    for (const label of tags ? labels.filter((one) => one.startsWith("B-")) : labels) kind(one.task, tags ? label.slice(2) : label);
  }
}

function mixes(labels) {
  const tasks = Object.entries(labels);
  return tasks.length ? tasks.map(mix) : make("p", { class: "empty" }, "Nothing was labelled in that time.");
}

function mix([task, counts]) {
  const entries = Object.entries(counts);
  const total = entries.reduce((sum, [, one]) => sum + one, 0);
  const shown = entries.slice(0, KINDS);
  let x = 0;
  const parts = shown.map(([label, one]) => {
    const part = draw("rect", { class: kind(task, label), x, y: 0, width: Math.max(0, one / total - 0.004), height: 1 });
    x += one / total;
    return part;
  });
  const more = entries.length - shown.length;
  return make("div", { class: "mix" },
    make("h3", {}, task, make("span", { class: "dim" }, number.format(total))),
    draw("svg", { class: "bar", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts),
    make("ul", { class: "legend" }, shown.map(([label, one]) => make("li", {},
      make("span", { class: `swatch ${kind(task, label)}`, "aria-hidden": "true" }), label,
      make("span", { class: "dim" }, `${percent(one / total)} · ${number.format(one)}`))),
    more > 0 ? make("li", { class: "dim" }, `and ${more} more`) : null));
}

function model(one) {
  const called = one.version === null ? one.task : `${one.task}@${one.version}`;
  const names = { f1: "F1", macro_f1: "macro F1", accuracy: "accuracy", calibration_error: "calibration err.", examples: "test texts" };
  const told = { ...one.figures };
  if (told.macro_f1?.toFixed(3) === told.f1?.toFixed(3)) delete told.macro_f1;
  const figures = Object.entries(told).map(([key, value]) =>
    make("div", {}, make("dt", {}, names[key]), make("dd", {}, key === "examples" ? number.format(value) : value.toFixed(3))));
  const report = one.report && make("a", { href: one.report, target: "_blank", rel: "noopener", class: "dim" }, `Report of ${called}`);
  return make("article", { class: "model" },
    make("h3", {}, called, report),
    figures.length ? make("dl", {}, figures) : make("p", { class: "dim" }, one.version === null ? "A task without a model." : "No figures."),
    one.drift ? make("p", { class: "dim" }, drift(one.drift)) : null,
    one.loading ? make("p", {}, `${one.task}@${one.loading} is being loaded and takes over when it is ready.`) : null);
}

function drift(one) {
  if (!one.known.length) return "Drift: the bundle has no baseline to measure it against.";
  const without = one.unknown.length && one.partings.length ? `; not compared: ${one.unknown.join(", ")}` : "";
  const told = one.partings.map((part) => `${part.name} ${part.value.toFixed(2)} (warns from ${part.bound})`).join(", ");
  return told ? `Drift over ${number.format(one.records)} records: ${told}${without}.`
    : `Drift: measured from ${number.format(one.least)} labels or spans on; ${number.format(one.records)} records so far.`;
}

// ------------------------------------------------------------------ results

function renderResults(results) {
  show("results", results, () => (results.length ? results.map(result)
    : make("li", { class: "empty" }, "Nothing has come out since the daemon started.")));
}

function result(one) {
  const at = new Date(one.at * 1000);
  const answers = Object.entries(one.annotations ?? {});
  const spans = answers.flatMap(([task, answer]) => (answer.spans ?? []).map((span) => ({ task, ...span })));
  const which = one.records > 1 && one.index !== undefined && one.index !== null ? ` · record ${one.index + 1} of ${number.format(one.records)}` : "";
  return make("li", {},
    make("p", { class: "from" }, make("b", {}, one.source), one.inbox + which,
      make("time", { datetime: at.toISOString(), title: moment.format(at) }, clock.format(at))),
    one.subject ? make("p", { class: "subject" }, one.subject) : null,
    one.text ? make("p", { class: "text" }, marked(one.text, spans), one.cut ? " …" : null) : null,
    one.annotations ? make("ul", { class: "chips" }, answers.map(chip), Object.entries(one.faults ?? {}).map(faultChip)) : outcome(one));
}

function outcome(one) {
  if (one.state !== "published") return make("p", { class: "text" }, make("b", { class: "bad" }, one.state), ` ${one.reason}`);
  const told = `${number.format(one.records)} records, ${number.format(one.errors)} with errors, ${number.format(one.reviews)} for review`;
  return make("p", { class: "text dim" }, told);
}

function chip([task, answer]) {
  const doubt = answer.review ? make("em", {}, "for review") : null;
  if (answer.spans) return doubt && make("li", { class: "review" }, make("span", { class: "task" }, task), doubt);
  return make("li", { class: answer.review ? "review" : null },
    make("span", { class: "task" }, task), make("b", {}, answer.label ?? "–"), make("span", {}, score(answer.score)), doubt);
}

function faultChip([task, fault]) {
  return make("li", { class: "fault" }, make("span", { class: "task" }, task), fault);
}

// Offsets are in code points; a span that overlaps an earlier one is left out.
function marked(text, spans) {
  const points = Array.from(text);
  const words = (from, to) => points.slice(from, to).join("").replace(/\n\s*\n/g, "\n"); // blank lines say nothing here
  const parts = [];
  let place = 0;
  for (const span of spans.sort((one, other) => one.start - other.start)) {
    if (span.start < place || span.end > points.length) continue;
    parts.push(words(place, span.start));
    parts.push(make("mark", { class: kind(span.task, span.label), title: `${span.task}: ${span.label} ${score(span.score)}` },
      points.slice(span.start, span.end).join(""), make("small", {}, span.label)));
    place = span.end;
  }
  return [...parts, words(place)];
}

// ------------------------------------------------------------------ review

// One record at a time, which never changes under the fingers of who reads it: what comes meanwhile waits behind it.
const review = {
  waiting: [], total: 0, current: null, skipped: [], done: [], busy: false, turn: 0,

  async look() {
    const turn = this.turn;
    const { items, total } = await ask("/api/review");
    if (turn !== this.turn || !token) return; // somebody has decided meanwhile
    this.take(items, total);
  },

  take(items, total) {
    const late = (item) => this.skipped.indexOf(item.key);
    this.total = total;
    this.waiting = items.filter((item) => item.key !== this.current?.key).sort((one, other) => late(one) - late(other));
    if (!this.current) this.current = this.waiting.shift() ?? null;
    this.draw();
  },

  clear() {
    Object.assign(this, { waiting: [], total: 0, current: null, done: [], turn: this.turn + 1 });
    this.draw();
  },

  draw() {
    const held = $("review").contains(document.activeElement) && document.activeElement !== $("review-who");
    const one = this.current;
    $("review").hidden = !one && !this.done.length;
    if (held && $("review").hidden) $("main").focus();
    show("review-left", this.total, () => `${number.format(this.total)} left`);
    show("review-record", one?.key ?? null, () => (one ? doubt(one) : make("p", { class: "empty" }, token ? "Nothing is left for review." : "")));
    show("review-labels", [one?.key, one?.labels, one?.said], () => (one ? this.choices(one) : []));
    editor.open(one);
    $("review-skip").disabled = !this.waiting.length;
    $("review-skip").setAttribute("aria-keyshortcuts", one?.spans ? "S" : "S ArrowRight");
    $("review-undo").disabled = !this.done.length && !this.edited;
    const lost = !$("review").contains(document.activeElement) || document.activeElement.disabled;
    if (held && lost && !$("review").hidden) $("review").focus();
  },

  get edited() { return Boolean(this.current?.spans) && editor.changed; },

  choices(one) {
    const digit = (place) => (place < 9 ? String(place + 1) : null);
    if (!one.spans) {
      return one.labels.map((label, place) => choice(label, digit(place), () => this.correct(label), { plain: label !== one.said }));
    }
    return [
      ...one.labels.map((label, place) => choice(label, digit(place), () => editor.label(label), { tint: kind(one.task, label) })),
      choice("Remove", "Delete", () => editor.remove(), {}),
      choice("Right as marked", "Enter", () => this.mark(), { plain: false }),
    ];
  },

  // What was asked for by a key that is held down, or while an answer is awaited, was not meant for the next record.
  async deed(act) {
    if (this.busy) return;
    this.busy = true;
    this.turn += 1;
    try {
      await act();
    } catch (fault) {
      say(fault.message);
      if (fault.status === 409) this.current = null;
    }
    this.busy = false;
    this.turn += 1;
    await this.look().catch(() => this.draw());
  },

  correct(label) {
    const one = this.current;
    return one && this.deed(async () => {
      await send("/api/correct", { key: one.key, task: one.task, label, who: $("review-who").value });
      this.done.push(one);
      this.current = null;
      say(`${one.source}: ${one.task} is ${label}. ${number.format(Math.max(0, this.total - 1))} left.`);
    });
  },

  mark() {
    const one = this.current;
    const spans = editor.spans.map(({ start, end, label }) => ({ start, end, label }));
    return one && this.deed(async () => {
      await send("/api/mark", { key: one.key, task: one.task, spans, who: $("review-who").value });
      this.done.push(one);
      this.current = null;
      const many = spans.length === 1 ? "1 span" : `${number.format(spans.length)} spans`;
      say(`${one.source}: ${one.task} has ${many}. ${number.format(Math.max(0, this.total - 1))} left.`);
    });
  },

  undo() {
    if (this.edited) return this.busy ? undefined : editor.undo();
    const last = this.done.at(-1);
    return last && this.deed(async () => {
      await send("/api/withdraw", { key: last.key });
      this.done.pop();
      this.current = last;
      say(`${last.source}: ${last.task} is for review again.`);
    });
  },

  skip() {
    if (this.busy || !this.current || !this.waiting.length) return;
    this.skipped = [...this.skipped.filter((key) => key !== this.current.key), this.current.key];
    const all = [...this.waiting, this.current];
    this.current = null;
    this.take(all, this.total);
  },

  press(event) {
    if (event.target === $("review-who") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (this.current?.spans && !this.busy && editor.press(event)) return event.preventDefault();
    if (event.repeat || (this.current?.spans && event.key.startsWith("Arrow"))) return;
    const key = event.key.toLowerCase();
    const label = /^[1-9]$/.test(key) && !this.current?.spans ? this.current?.labels[Number(key) - 1] : undefined;
    if (label !== undefined) this.correct(label);
    else if (key === "u") this.undo();
    else if (key === "s" || key === "arrowright") this.skip();
    else return;
    event.preventDefault();
  },

  begin() {
    $("review-who").value = sessionStorage.getItem(WHO) ?? "";
    $("review-who").addEventListener("input", () => sessionStorage.setItem(WHO, $("review-who").value));
    $("review-skip").addEventListener("click", () => this.skip());
    $("review-undo").addEventListener("click", () => this.undo());
    $("review").addEventListener("keydown", (event) => this.press(event));
    editor.begin();
  },
};

function choice(words, key, act, { plain = true, tint = null }) {
  const swatch = tint && make("span", { class: `swatch ${tint}`, "aria-hidden": "true" });
  const button = make("button", { type: "button", class: plain ? "quiet" : null, "aria-keyshortcuts": key },
    swatch, words, key && [" ", make("kbd", {}, key)]);
  button.addEventListener("click", act);
  return button;
}

function doubt(one) {
  const at = new Date(one.at * 1000);
  return [
    make("p", { class: "from" }, make("b", {}, one.source), one.inbox,
      make("time", { datetime: at.toISOString(), title: moment.format(at) }, clock.format(at))),
    one.subject ? make("p", { class: "subject" }, one.subject) : null,
    one.spans ? null : make("p", { class: "text", tabindex: "0", "aria-label": "Text" }, one.text, one.cut ? " …" : null),
    make("ul", { class: "chips" }, make("li", { class: "review" }, make("span", { class: "task" }, one.task), make("b", {}, one.spans ? "least sure" : one.said),
      make("span", {}, score(one.score)), make("span", {}, one.model))),
  ].filter((part) => part);
}

// ------------------------------------------------------------------ quarantine

function renderQuarantine({ items, total }) {
  show("quarantine-count", total, () => (total ? files(total) : ""));
  show("quarantine", items, () => {
    if (!items.length) return make("p", { class: "empty" }, "Nothing lies in quarantine.");
    const heads = ["File", "Reason", "When", ""];
    return make("div", { class: "scroll", role: "region", "aria-labelledby": "quarantine-title", tabindex: "0" }, make("table", {},
      make("thead", {}, make("tr", {}, heads.map((head) => (head ? make("th", { scope: "col" }, head) : make("td", {}))))),
      make("tbody", {}, items.map(lying))));
  });
}

function lying(item) {
  const again = make("button", { type: "button", class: "quiet", "aria-label": `Retry ${item.name}` }, "Retry");
  again.addEventListener("click", () => retry(item, again));
  const at = new Date(item.when);
  return make("tr", {},
    make("th", { scope: "row" }, item.name, make("div", { class: "dim" }, item.inbox)),
    make("td", { class: "reason" }, item.reason || "no reason is known"),
    make("td", { class: "number" }, Number.isNaN(at.valueOf()) ? "" : moment.format(at)),
    make("td", { class: "number" }, again));
}

async function retry(item, button) {
  button.disabled = true;
  try {
    const { place } = await send("/api/retry", { inbox: item.inbox, name: item.name });
    say(`${item.name} is back in inbox ${item.inbox} as ${place}`);
  } catch (fault) {
    say(`${item.name}: ${fault.message}`);
  }
  button.disabled = false;
  const rows = [...$("quarantine").querySelectorAll("button")];
  const next = rows[rows.indexOf(button) + 1] ?? rows[rows.indexOf(button) - 1];
  const label = next?.getAttribute("aria-label");
  renderQuarantine(await ask("/api/quarantine"));
  const found = [...$("quarantine").querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === label);
  (found ?? $("main")).focus();
}

// ------------------------------------------------------------------ the plot

const HEIGHT = 176, LEFT = 46, RIGHT = 6, TOP = 14, BOTTOM = 24;

// One graph for the life of the page, drawn anew from inside: focus and pointer stay where they are.
const graph = {
  element: null, minutes: [], last: 0, width: 0, at: null, place: 59,

  draw(minutes, last) {
    Object.assign(this, { minutes, last, width: Math.max(280, $("plot").clientWidth) });
    this.top = nice(Math.max(...minutes, 1));
    if (!this.element) this.begin();
    const total = minutes.reduce((sum, one) => sum + one, 0);
    fill(this.element, { viewBox: `0 0 ${this.width} ${HEIGHT}`, "aria-label":
      `Records a minute over the last hour: ${number.format(total)} in all, at most ${number.format(Math.max(...minutes))} in a minute. Left and right tell each minute.` }, []);
    this.element.replaceChildren(...this.grid(), ...this.curve(), ...this.times(), ...this.told());
  },

  begin() {
    this.element = draw("svg", { role: "img", tabindex: "0" });
    $("plot").append(this.element);
    const to = (place) => { this.at = this.place = Math.min(59, Math.max(0, place)); this.draw(this.minutes, this.last); };
    const away = () => { this.at = null; this.draw(this.minutes, this.last); };
    this.element.addEventListener("pointermove", (event) => {
      const share = (event.clientX - this.element.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
      to(Math.round(share * 59));
    });
    this.element.addEventListener("pointerleave", away);
    this.element.addEventListener("focus", () => { if (this.element.matches(":focus-visible")) to(this.place); });
    this.element.addEventListener("blur", away);
    this.element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -60, End: 60 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      to(this.place + step);
      say(this.words(this.place));
    });
    new ResizeObserver(() => this.draw(this.minutes, this.last)).observe($("plot"));
  },

  x(place) { return LEFT + (place / 59) * (this.width - LEFT - RIGHT); },
  y(value) { return TOP + (1 - value / this.top) * (HEIGHT - TOP - BOTTOM); },
  time(place) { return clock.format(new Date((this.last - 59 + place) * 60000)); },
  words(place) { return `${this.time(place)} · ${number.format(this.minutes[place])} records`; },

  grid() {
    return (this.top >= 10 ? [0, this.top / 2, this.top] : [0, this.top]).flatMap((value) => [
      draw("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: this.y(value), y2: this.y(value) }),
      draw("text", { x: LEFT - 10, y: this.y(value) + 4, "text-anchor": "end" }, shortNumber.format(value)),
    ]);
  },

  curve() {
    const points = this.minutes.map((value, place) => `${this.x(place).toFixed(1)},${this.y(value).toFixed(1)}`).join(" ");
    return [
      draw("polygon", { class: "area", points: `${LEFT},${this.y(0)} ${points} ${this.x(59)},${this.y(0)}` }),
      draw("polyline", { class: "edge", points }),
    ];
  },

  times() {
    const every = this.width < 520 ? [0, 30] : [0, 15, 30, 45];
    return [...every, 59].map((place) => draw("text",
      { x: this.x(place), y: HEIGHT - 4, "text-anchor": place === 0 ? "start" : place === 59 ? "end" : "middle" }, this.time(place)));
  },

  told() {
    if (this.at === null) return [];
    const near = this.at < 30;
    return [
      draw("line", { class: "cursor", x1: this.x(this.at), x2: this.x(this.at), y1: TOP, y2: HEIGHT - BOTTOM }),
      draw("circle", { class: "mark", cx: this.x(this.at), cy: this.y(this.minutes[this.at]), r: 4.5 }),
      draw("text", { class: "told", x: this.x(this.at) + (near ? 10 : -10), y: TOP + 8, "text-anchor": near ? "start" : "end" }, this.words(this.at)),
    ];
  },
};

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value);
}

// ------------------------------------------------------------------ beginning

function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    keep(given);
    history.replaceState(null, "", location.pathname); // the token is not to be seen, or bookmarked
  }
  $("lock").textContent = token ? "Lock" : "Unlock";
  $("lock").addEventListener("click", () => (token ? (forget(), look()) : unlock()));
  $("unlock-form").addEventListener("submit", tryToken);
  $("unlock-cancel").addEventListener("click", () => $("unlock").close());
  review.begin();
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  watch();
}

begin();
