"use strict";
// Filter, sort and search of the hosts, and each host in full. Every text is put in as a text node: nothing
// here makes HTML of a string. The rows are those of the page; only so many of them stand in it at once,
// so that thousands of hosts stay quick.
(() => {
  const STEP = 100;
  const FIRST = 25;
  const data = JSON.parse(document.getElementById("data").textContent);
  const text = (number) => data.s[number];
  const find = (id) => document.getElementById(id);
  const body = find("rows");
  const table = find("host-table");
  const number = new Intl.NumberFormat("en");
  const collator = new Intl.Collator("en", { numeric: true });

  const hosts = Array.from(body.rows, (row, index) => {
    const entry = data.h[index];
    return {
      index, row, entry, detail: null,
      name: row.cells[0].textContent,
      state: text(entry.t),
      wave: entry.w === undefined ? "" : text(entry.w),
      groups: (entry.g || []).map(text),
      products: (entry.p || []).map(text),
      remarks: (entry.r || []).map(text),
      // What a search looks through: the row, its address and its groups.
      said: "",
    };
  });
  for (const host of hosts) {
    const said = [host.row.textContent, ...host.groups];
    for (const [label, value] of host.entry.a.slice(0, 2)) said.push(text(label) === "Address" ? text(value) : "");
    host.said = said.join("\n").toLowerCase();
  }

  // ---- Filter and sort ----

  const search = find("search");
  // What can be chosen from, by the control's id; a page has not all of them.
  const choices = [
    ["state", (host) => [host.state]],
    ["product", (host) => host.products],
    ["group", (host) => host.groups],
    ["wave", (host) => [host.wave]],
    ["remark", (host) => host.remarks],
  ].map(([id, of]) => [find(id), of]).filter(([control]) => control);
  let order = hosts;
  let shown = hosts;
  let most = STEP;

  function matching() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = choices.filter(([control]) => control.value);
    return order.filter((host) =>
      chosen.every(([control, of]) => of(host).includes(control.value)) &&
      words.every((word) => host.said.includes(word)));
  }

  // The first screen of rows comes at once, the rest in pieces, so that typing never waits for rows that
  // nobody sees yet.
  let drawing = 0;

  function rowsOf(from, to) {
    const rows = [];
    for (const host of shown.slice(from, to)) {
      dress(host);
      rows.push(host.row);
      if (host.detail) rows.push(host.detail);
    }
    return rows;
  }

  function draw(atOnce = FIRST) {
    clearTimeout(drawing);
    const last = Math.min(most, shown.length);
    body.replaceChildren(...rowsOf(0, Math.min(atOnce, last)));
    const goOn = (from) => {
      if (from >= last) {
        table.removeAttribute("aria-busy");
        return;
      }
      table.setAttribute("aria-busy", "true");
      drawing = setTimeout(() => {
        body.append(...rowsOf(from, Math.min(from + FIRST, last)));
        goOn(from + FIRST);
      });
    };
    goOn(atOnce);
    tell(last);
  }

  function tell(drawn) {
    const matched = shown.length === hosts.length ? "" : `${number.format(shown.length)} of `;
    const first = drawn < shown.length ? `, the first ${number.format(drawn)} are shown` : "";
    find("count").textContent = `${matched}${number.format(hosts.length)} ${hosts.length === 1 ? "host" : "hosts"}${first}`;
    find("more").hidden = drawn === shown.length;
    find("next").textContent = `Show ${number.format(Math.min(STEP, shown.length - drawn))} more`;
    find("all").textContent = `Show all ${number.format(shown.length)}`;
  }

  function filter() {
    most = STEP;
    shown = matching();
    draw();
  }

  const keys = {
    host: (a, b) => a.rank - b.rank,
    state: (a, b) => a.index - b.index,
    wave: (a, b) => collator.compare(a.wave, b.wave),
    took: (a, b) => (a.entry.d ?? -1) - (b.entry.d ?? -1),
  };

  function sort(heading) {
    const key = heading.dataset.sort;
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of document.querySelectorAll("#host-table th[aria-sort]")) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    if (key === "host" && hosts[0] && hosts[0].rank === undefined) {
      [...hosts].sort((a, b) => collator.compare(a.name, b.name)).forEach((host, rank) => { host.rank = rank; });
    }
    const sign = descending ? -1 : 1;
    const column = heading.cellIndex;
    const cell = (host) => host.row.cells[column].textContent;
    // Days sort as texts do; where there is none, a dash comes behind all of them.
    const by = keys[key] || ((a, b) => (cell(a) < cell(b) ? -1 : Number(cell(a) > cell(b))));
    order = [...hosts].sort((a, b) => sign * by(a, b) || a.index - b.index);
    filter();
  }

  function fill(select, values) {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    const names = [...counts.keys()];
    if (select.id !== "state") names.sort(collator.compare);
    for (const name of names) {
      if (!name) continue;
      const option = make("option", "", `${name} (${number.format(counts.get(name))})`);
      option.value = name;
      select.append(option);
    }
    // A choice of one thing is none.
    select.parentElement.hidden = select.options.length < 2;
  }

  // ---- A host in full ----

  function make(tag, name, content) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (content !== undefined) element.textContent = content;
    return element;
  }

  /** Gives a row the button that opens it. */
  function dress(host) {
    if (host.button) return;
    const button = make("button", "open", host.name);
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => toggle(host));
    host.row.cells[0].replaceChildren(button);
    host.button = button;
  }

  function toggle(host) {
    if (host.detail) {
      host.detail.remove();
      host.detail = null;
    } else {
      host.detail = full(host);
      host.row.after(host.detail);
    }
    host.button.setAttribute("aria-expanded", String(host.detail !== null));
  }

  function full(host) {
    const entry = host.entry;
    const row = make("tr", "detail");
    const cell = make("td");
    cell.colSpan = host.row.cells.length;
    const panel = make("div", "panel");
    panel.setAttribute("role", "group");
    panel.setAttribute("aria-label", `${host.name} in full`);
    const about = make("dl");
    for (const [label, value] of entry.a) {
      const pair = make("div");
      pair.append(make("dt", "", text(label)), make("dd", "", text(value)));
      about.append(pair);
    }
    panel.append(about);
    if (entry.n) panel.append(list("ul", "", entry.n.map((note) => make("li", "", text(note)))));
    if (entry.f) panel.append(make("h3", "", "Found"), list("ul", "evidence", entry.f.map(finding)));
    if (entry.x !== undefined) {
      const absent = make("p", "asked");
      absent.append(make("b", "", "Proven absent: "), text(entry.x));
      panel.append(absent);
    }
    if (entry.b) panel.append(make("h3", "", "Found before the steps"), list("ul", "evidence", entry.b.map(finding)));
    if (entry.s) panel.append(make("h3", "", "Steps"), list("ol", "steps", entry.s.map(step)));
    cell.append(panel);
    row.append(cell);
    return row;
  }

  function list(tag, name, items) {
    const element = make(tag, name);
    element.append(...items);
    return element;
  }

  function finding([product, word, tone, exemption, evidence]) {
    const item = make("li");
    const line = [make("b", "", text(product)), " ", make("span", `st ${text(tone)}`, text(word))];
    if (text(exemption)) line.push(" ", make("small", "", text(exemption)));
    if (!evidence.length) {
      item.append(...line);
      return item;
    }
    const details = make("details");
    details.append(list("summary", "", line), list("ul", "", evidence.map((check) => make("li", "", text(check)))));
    item.append(details);
    return item;
  }

  function step([name, summary, word, tone, meta, reason, earlier, outputs]) {
    const item = make("li");
    item.append(make("b", "", text(name)), ` ${text(summary)} `, make("span", `st ${text(tone)}`, text(word)), " ", make("small", "", text(meta)));
    if (text(reason)) item.append(make("p", "", text(reason)));
    if (earlier.length) item.append(list("ul", "", earlier.map((line) => make("li", "", text(line)))));
    for (const [label, output] of outputs) {
      if (!text(output)) {
        item.append(make("p", "output", text(label)));
        continue;
      }
      const details = make("details");
      details.open = text(tone) === "bad";
      const shown = make("pre", "", text(output));
      // Can be scrolled by keys.
      shown.tabIndex = 0;
      shown.setAttribute("role", "region");
      shown.setAttribute("aria-label", text(label));
      details.append(make("summary", "output", text(label)), shown);
      item.append(details);
    }
    return item;
  }

  // ---- Wiring ----

  for (const [control, of] of choices) fill(control, hosts.flatMap(of));
  const headings = [];
  for (const heading of document.querySelectorAll("#host-table th[data-sort]")) {
    const button = make("button", "", heading.textContent);
    button.type = "button";
    button.addEventListener("click", () => sort(heading));
    heading.replaceChildren(button);
    headings.push([heading, button]);
  }
  const form = find("filter");
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  // The controls have their first values only after the event.
  form.addEventListener("reset", () => setTimeout(filter));
  find("next").addEventListener("click", () => { most += STEP; draw(); });
  find("all").addEventListener("click", () => { most = Infinity; draw(); });
  for (const link of document.querySelectorAll("a[data-state]")) {
    link.addEventListener("click", () => { find("state").value = link.dataset.state; filter(); });
  }
  // Paper has every host that the filter left. A button would not be repeated with the head of the table.
  let before = STEP;
  addEventListener("beforeprint", () => {
    [before, most] = [most, Infinity];
    for (const [heading, button] of headings) heading.replaceChildren(button.textContent);
    draw(Infinity);
  });
  addEventListener("afterprint", () => {
    most = before;
    for (const [heading, button] of headings) heading.replaceChildren(button);
    draw();
  });
  draw();
})();
