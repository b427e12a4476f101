// The editor of spans in the review queue. What is picked, by pointer or by keys, is a stretch of words; a label marks it.
// Offsets are in code points, as in the outputs.
"use strict";

const editor = {
  one: null, points: [], words: [], spans: [], past: [], anchor: 0, head: 0, picked: null,

  // A record is opened once; what was done to it stays with it, should the page come back to it.
  open(one) {
    $("review-text").hidden = $("review-told").hidden = !one?.spans;
    if (one === this.one) return;
    this.one = one;
    if (!one?.spans) return $("review-text").replaceChildren();
    one.edited ??= one.spans.map((span) => ({ ...span }));
    one.past ??= [];
    Object.assign(this, { points: Array.from(one.text), words: words(one.text), spans: one.edited, past: one.past });
    const doubtful = [...this.spans].sort((first, other) => (first.score ?? 1) - (other.score ?? 1))[0];
    this.pick(doubtful ?? this.words[0] ?? { start: 0, end: 0 });
  },

  get changed() { return this.past.length > 0; },

  // ---------------------------------------------------------------- what is picked

  pick({ start, end }) {
    this.picked = { start, end };
    const touched = this.words.flatMap((word, place) => (word.start < end && start < word.end ? [place] : []));
    if (touched.length) [this.anchor, this.head] = [touched[0], touched.at(-1)];
    this.draw();
  },

  step(by, { further }) {
    const within = (place) => Math.min(Math.max(place, 0), this.words.length - 1);
    const [first, last] = [Math.min(this.anchor, this.head), Math.max(this.anchor, this.head)];
    this.head = within(further ? this.head + by : by > 0 ? last + 1 : first - 1);
    if (!further) this.anchor = this.head;
    const [from, to] = [this.words[Math.min(this.anchor, this.head)], this.words[Math.max(this.anchor, this.head)]];
    if (!from) return;
    this.picked = { start: from.start, end: to.end };
    this.draw();
  },

  next(by) {
    const after = by > 0 ? this.spans.find((span) => span.start > this.picked.start)
      : this.spans.findLast((span) => span.start < this.picked.start);
    const found = after ?? this.spans.at(by > 0 ? 0 : -1);
    if (found) this.pick(found);
  },

  // What the browser has selected in the text, without the white space around it; null for nothing.
  selected() {
    const range = getSelection().rangeCount ? getSelection().getRangeAt(0) : null;
    if (!range || range.collapsed) return null;
    const parts = [...$("review-text").querySelectorAll("[data-start]")].filter((part) => range.intersectsNode(part.firstChild));
    const places = parts.flatMap((part) => {
      const [node, start] = [part.firstChild, Number(part.dataset.start)];
      const at = (offset) => start + Array.from(node.data.slice(0, offset)).length;
      return [at(range.startContainer === node ? range.startOffset : 0), at(range.endContainer === node ? range.endOffset : node.length)];
    });
    let [start, end] = [Math.min(...places), Math.max(...places)];
    while (start < end && !this.points[start].trim()) start += 1;
    while (start < end && !this.points[end - 1].trim()) end -= 1;
    return start < end ? { start, end } : null;
  },

  // A click picks the span or the word under it, a drag what was dragged over.
  point() {
    const stretch = this.selected();
    const { anchorNode, anchorOffset } = getSelection();
    const part = anchorNode?.parentElement?.closest("#review-text [data-start]");
    if (!stretch && !part) return;
    const place = part && Number(part.dataset.start) + Array.from(anchorNode.data.slice(0, anchorOffset)).length;
    const under = (one) => one.start <= place && place <= one.end;
    const found = stretch ?? this.spans.find(under) ?? this.words.find(under);
    getSelection().removeAllRanges();
    if (found) this.pick(found);
  },

  // ---------------------------------------------------------------- what is done

  change(spans) {
    if (review.busy) return;
    this.past.push(this.spans.map((span) => ({ ...span })));
    this.keep(spans);
  },

  keep(spans) {
    this.spans = this.one.edited = spans.sort((one, other) => one.start - other.start);
    this.draw();
    review.draw();
  },

  label(label) {
    const chosen = this.selected() ?? this.picked;
    getSelection().removeAllRanges();
    if (!chosen || chosen.start === chosen.end) return;
    const { start, end } = chosen;
    const same = this.spans.find((span) => span.start === start && span.end === end);
    if (same?.label === label) return;
    this.picked = { start, end };
    this.change([...this.spans.filter((span) => span.end <= start || end <= span.start), { start, end, label, score: null }]);
  },

  remove() {
    const { start, end } = this.selected() ?? this.picked;
    const left = this.spans.filter((span) => span.end <= start || end <= span.start);
    getSelection().removeAllRanges();
    if (left.length < this.spans.length) this.change(left);
  },

  undo() {
    this.keep(this.past.pop());
  },

  // Whether a key meant the editor.
  press(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const on = event.target.closest("button, input, a");
    const deeds = {
      ArrowRight: () => this.step(1, { further: event.shiftKey }),
      ArrowLeft: () => this.step(-1, { further: event.shiftKey }),
      n: () => this.next(1),
      p: () => this.next(-1),
      Delete: () => this.remove(),
      Backspace: () => this.remove(),
      Enter: on ? null : () => review.mark(),
    };
    const label = /^[1-9]$/.test(key) ? this.one.labels[Number(key) - 1] : undefined;
    const deed = label === undefined ? deeds[key] : () => this.label(label);
    if (!deed) return false;
    if (!event.repeat || key.startsWith("Arrow")) deed();
    return true;
  },

  // ---------------------------------------------------------------- how it looks

  draw() {
    $("review-text").replaceChildren(...this.parts());
    $("review-picked").textContent = this.told();
    $("review-text").querySelector(".picked")?.scrollIntoView({ block: "nearest" });
  },

  parts() {
    const parts = [];
    let place = 0;
    for (const span of this.spans) {
      parts.push(...this.pieces(place, span.start));
      parts.push(make("mark", { class: kind(this.one.task, span.label) }, this.pieces(span.start, span.end), make("small", {}, span.label)));
      place = span.end;
    }
    return [...parts, ...this.pieces(place, this.points.length)];
  },

  // A stretch of the text, cut where what is picked begins and ends.
  pieces(start, end) {
    const cuts = [this.picked.start, this.picked.end].filter((cut) => start < cut && cut < end);
    return [start, ...new Set(cuts)].map((from, number, all) => [from, all[number + 1] ?? end]).filter(([from, to]) => from < to)
      .map(([from, to]) => make("span", { "data-start": from, class: this.picked.start <= from && to <= this.picked.end ? "picked" : null },
        this.points.slice(from, to).join("")));
  },

  told() {
    const { start, end } = this.picked;
    const under = this.spans.filter((span) => span.start < end && start < span.end);
    const sure = (span) => (typeof span.score === "number" ? ` ${score(span.score)}` : "");
    const marked = under.map((span) => span.label + sure(span)).join(", ") || "not marked";
    return `“${this.points.slice(start, end).join("").slice(0, 80)}”: ${marked}`;
  },

  begin() {
    $("review-text").addEventListener("pointerup", () => setTimeout(() => this.one?.spans && this.point()));
    // A press on a button must not take away what is selected.
    $("review-labels").addEventListener("pointerdown", (event) => event.preventDefault());
  },
};

// The words and signs of a text, as its language has them.
function words(text) {
  let place = 0;
  return [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].flatMap(({ segment }) => {
    const start = place;
    place += Array.from(segment).length;
    return segment.trim() ? [{ start, end: place }] : [];
  });
}
