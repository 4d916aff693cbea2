// Makes pages livelier; every page works without it. Three things: a form or a link of ours changes
// the page in place instead of loading it anew; what changed elsewhere is shown at once, without a
// jump and never over what somebody is writing; and single keys do what buttons do.
"use strict";

(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const main = one("#main");
  const dialog = one("#dialog");
  const say = (text) => (one("#news").textContent = text);
  const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private */ } };

  // --- One document becomes another --------------------------------------------------------------

  const isDirty = (field) =>
    field.type === "checkbox" ? field.checked !== field.defaultChecked
    : field.localName === "select" ? [...field.options].some((o) => o.selected !== o.defaultSelected) &&
      !(field.selectedIndex === 0 && ![...field.options].some((o) => o.defaultSelected))
    : field.type !== "hidden" && field.value !== field.defaultValue;
  /** Somebody is writing here: what the form was made from must stay. */
  const isInUse = (form) =>
    form.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") ||
    [...form.elements].some((field) => "defaultValue" in field && isDirty(field) || field.localName === "select" && isDirty(field));

  const morph = (now, next) => {
    if (now.isEqualNode(next)) return;
    if (now.nodeType !== Node.ELEMENT_NODE) {
      now.data = next.data;
      return;
    }
    if (now.localName === "form" && isInUse(now)) return;
    const isOpen = now.localName === "details";
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name) && !(isOpen && name === "open") && name !== "data-on") now.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    if (now.localName === "input" && now.type !== "hidden" && !isDirty(now)) now.value = next.value;
    children(now, next);
  };

  const children = (now, next) => {
    const known = new Map();
    for (const child of now.children) if (child.id) known.set(child.id, child);
    const wanted = new Set([...next.children].map((child) => child.id).filter(Boolean));
    let place = now.firstChild;
    const skip = () => {
      // What goes away is no place to build on.
      while (place && (place.id && !wanted.has(place.id) || place.dataset?.keep !== undefined)) {
        const gone = place;
        place = place.nextSibling;
        if (gone.dataset.keep === undefined) gone.remove();
      }
    };
    for (const want of [...next.childNodes]) {
      skip();
      // Blanks between elements are nothing to line up by.
      while (want.nodeType === Node.ELEMENT_NODE && place?.nodeType === Node.TEXT_NODE && !place.data.trim()) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
        skip();
      }
      let have = want.id ? known.get(want.id) : null;
      if (!have && !want.id && place && !place.id && place.nodeName === want.nodeName) have = place;
      if (have && have.nodeName === want.nodeName) {
        // What has no name of its own gives way; what has one is only moved when the order changed.
        while (place && place !== have && !place.id && place.dataset?.keep === undefined) {
          const gone = place;
          place = place.nextSibling;
          gone.remove();
        }
        if (have === place) place = place.nextSibling;
        else now.insertBefore(have, place);
        morph(have, want);
      } else {
        const made = document.importNode(want, true);
        now.insertBefore(made, place);
        if (made.dataset?.row !== undefined) made.classList.add("is-new");
      }
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      if (gone.dataset?.keep === undefined) gone.remove();
    }
  };

  const show = (page) => {
    const next = one("#main", page);
    const focused = document.activeElement;
    const before = main.dataset.said;
    document.title = page.title;
    document.body.dataset.place = page.body.dataset.place;
    morph(main, next);
    dress();
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    if (before !== main.dataset.said && main.dataset.said) say(main.dataset.said);
  };

  const parse = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

  let seen = location.search;
  /** Shows another view of this page, or the same one as it is now. */
  const visit = async (address, isQuiet) => {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const page = await parse(answer);
    if (!one("#main", page)) return location.assign(address);
    show(page);
    if (isQuiet) return;
    const there = new URL(address, location.href);
    const target = there.hash;
    there.hash = "";
    if (there.href === location.href.split("#")[0]) history.replaceState(null, "", there);
    else history.pushState(null, "", there);
    seen = location.search;
    // Only a real jump marks its target.
    if (target.startsWith("#t-")) location.replace(target);
    else if (target === "#pager") one(target)?.scrollIntoView({ block: "nearest" });
  };
  addEventListener("popstate", () => {
    if (seen === location.search) return;
    seen = location.search;
    visit(location.href, true).catch(() => location.reload());
  });
  const go = (address) => visit(address).catch(() => location.assign(address));

  // --- Forms -------------------------------------------------------------------------------------

  /** Who goes on writing does so behind what is there. */
  const focusAtEnd = (field) => {
    field?.focus();
    if (field?.localName === "textarea") field.setSelectionRange(field.value.length, field.value.length);
  };

  let asking = null;
  const ask = (page, form) => {
    const question = one("#ask", page);
    if (!question) return say("That did not work.");
    asking = form.closest("dialog") ? asking : form;
    dialog.replaceChildren(document.importNode(question, true));
    if (!dialog.open) dialog.showModal();
    focusAtEnd(one("textarea", dialog) || one("[data-first]", dialog));
  };

  const settled = (form) => {
    for (const done of new Set([form, asking])) {
      if (!done?.isConnected) continue;
      done.reset();
      const around = done.closest("details.edit");
      if (around?.open) {
        around.open = false;
        one("summary", around).focus();
      }
    }
    asking = null;
    if (dialog.open) dialog.close();
  };

  const send = async (form, submitter) => {
    const body = new URLSearchParams(new FormData(form, submitter));
    if (body.get("author") || body.get("by")) remember("author", body.get("author") || body.get("by"));
    const isNote = form.id === "note";
    const buttons = all("button", form);
    buttons.forEach((button) => (button.disabled = true));
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/html" } });
      const page = await parse(answer);
      if (!answer.redirected) return ask(page, form);
      const there = new URL(answer.url);
      const isHere = there.pathname === location.pathname;
      settled(form);
      if (!isHere) return location.assign(answer.url);
      one("#done")?.remove();
      show(page);
      const done = one("#done");
      if (done) say(done.innerText.trim());
      if (isNote) one("[data-note]")?.focus();
      else if (!document.activeElement || document.activeElement === document.body) done?.focus({ preventScroll: true });
    } catch {
      alertOf(form, "Not sent: the server cannot be reached. Your text is still here.");
    } finally {
      buttons.forEach((button) => (button.disabled = false));
    }
  };

  const alertOf = (form, text) => {
    let problem = one(".problem", form);
    if (!problem) form.append((problem = Object.assign(document.createElement("p"), { className: "problem" })));
    problem.setAttribute("role", "alert");
    problem.textContent = text;
  };

  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.plain !== undefined) return;
    event.preventDefault();
    if (form.getAttribute("method") !== "get") return void send(form, event.submitter);
    const asked = [...new FormData(form)].filter(([, value]) => value !== "");
    const query = new URLSearchParams(asked).toString();
    go(form.getAttribute("action") + (query ? `?${query}` : ""));
  });

  addEventListener("click", (event) => {
    const close = event.target.closest("[data-close]");
    if (close && dialog.contains(close)) {
      event.preventDefault();
      dialog.close();
      asking = null;
      return;
    }
    const link = event.target.closest("a[href^='?']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(link.href.baseVal || link.getAttribute("href"));
  });

  // --- What happens elsewhere --------------------------------------------------------------------

  const live = one("#live");
  let isStale = false;
  let timer = 0;
  let last = 0;
  let took = 0;
  const refresh = () => {
    isStale = true;
    if (timer || document.hidden) return;
    // A page that takes a while to make is asked for less often.
    const wait = Math.max(0, last + Math.max(1000, 5 * took) - Date.now());
    timer = setTimeout(async () => {
      timer = 0;
      isStale = false;
      const begun = Date.now();
      try { await visit(location.href, true); } catch { isStale = true; }
      last = Date.now();
      took = last - begun;
    }, wait);
  };
  const listen = () => {
    const watched = main.dataset.watch;
    if (!watched || !("EventSource" in window)) return;
    const stream = new EventSource(`/api/v1/stream?last_event_id=${encodeURIComponent(document.body.dataset.place)}`);
    const state = (isOn) => {
      live.hidden = false;
      live.textContent = isOn ? "live" : "reconnecting";
      live.classList.toggle("is-off", !isOn);
    };
    let wasLost = false;
    stream.addEventListener("open", () => { state(true); if (wasLost) refresh(); wasLost = false; });
    stream.addEventListener("error", () => { state(false); wasLost = true; });
    stream.addEventListener("incident", (event) => {
      if (watched === "all" || String(JSON.parse(event.data).id) === watched) refresh();
    });
    stream.addEventListener("lagged", refresh);
    addEventListener("pagehide", () => stream.close());
  };
  document.addEventListener("visibilitychange", () => isStale && refresh());
  setInterval(() => main.dataset.ticking !== undefined && refresh(), 60000);

  // --- The chart ---------------------------------------------------------------------------------

  const clock = (zone, at) => {
    const format = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
    try { return new Intl.DateTimeFormat("en-GB", { ...format, timeZoneName: "short" }).format(at); } catch { return ""; }
  };
  const chart = () => {
    const box = one("#chart-box");
    if (!box || box.dataset.on) return;
    box.dataset.on = "yes";
    const reading = one("#reading");
    let begun = null;
    const svg = () => one("#chart", box);
    const marks = () => all("a", box);
    const at = (event) => {
      const { left, width } = svg().getBoundingClientRect();
      const data = svg().dataset;
      const x = ((event.clientX - left) / width) * svg().viewBox.baseVal.width;
      const share = Math.min(1, Math.max(0, (x - data.left) / (data.right - data.left)));
      return { x: Number(data.left) + share * (data.right - data.left), time: Number(data.from) + share * (data.to - data.from) };
    };
    const read = (mark, time) => {
      const zone = svg().dataset.zone;
      const told = mark ? one("title", mark)?.textContent : "";
      reading.textContent = told || `${clock(zone, time)}${zone === "UTC" ? "" : ` · ${clock("UTC", time)}`}`;
    };
    const range = () => one(".range", box) ||
      svg().insertBefore(Object.assign(document.createElementNS("http://www.w3.org/2000/svg", "rect")), one(".cursor", box));
    box.addEventListener("pointermove", (event) => {
      const { x, time } = at(event);
      const line = one(".cursor", box);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.setAttribute("visibility", "visible");
      line.style.visibility = "visible";
      read(event.target.closest("a"), time);
      if (!begun) return;
      const rect = range();
      rect.setAttribute("class", "range");
      rect.setAttribute("y", 30);
      rect.setAttribute("height", svg().viewBox.baseVal.height - 30);
      rect.setAttribute("x", Math.min(begun.x, x));
      rect.setAttribute("width", Math.abs(begun.x - x));
    });
    box.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("a")) begun = at(event);
    });
    addEventListener("pointerup", (event) => {
      const from = begun;
      begun = null;
      one(".range", box)?.remove();
      if (!from || !svg()) return;
      const to = at(event);
      if (Math.abs(to.x - from.x) < 8) return;
      const [low, high] = [from.time, to.time].sort((a, b) => a - b).map((time) => new Date(time).toISOString());
      const base = box.dataset.base;
      go(`${base}${base === "?" ? "" : "&"}from=${low}&to=${high}`);
    });
    box.addEventListener("pointerleave", () => {
      if (one(".cursor", box)) one(".cursor", box).style.visibility = "hidden";
      reading.textContent = reading.dataset.idle;
    });
    box.addEventListener("focusin", (event) => event.target.closest("a") && read(event.target.closest("a")));
    box.addEventListener("keydown", (event) => {
      const list = marks();
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step || !list.length) return;
      event.preventDefault();
      const here = list.indexOf(document.activeElement.closest("a"));
      list[Math.min(list.length - 1, Math.max(0, here + step))].focus();
    });
  };

  // --- Keys --------------------------------------------------------------------------------------

  const keys = one("#keys");
  const isOn = () => remembered("keys") !== "off";
  const sheet = () => {
    one("#keys-on").checked = isOn();
    keys.showModal();
  };
  one("#keys-on").addEventListener("change", (event) => remember("keys", event.target.checked ? "on" : "off"));

  const openAndFocus = (summary) => {
    summary.parentElement.open = true;
    const field = one("textarea, input:not([type=hidden]), select", summary.parentElement);
    summary.scrollIntoView({ block: "center" });
    focusAtEnd(field);
  };
  const walk = (step) => {
    const rows = all("[data-row]");
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    // Behind the last line of a window comes the next window.
    if (step > 0 && here === rows.length - 1 && one("[data-page=behind]")) return one("[data-page=behind]").click();
    const row = rows[Math.min(rows.length - 1, Math.max(0, here + step))];
    const link = one("a", row);
    if (row.localName === "li" || !link) row.tabIndex = -1;
    (row.localName === "tr" && link ? link : row).focus();
    row.scrollIntoView({ block: "nearest" });
  };
  const look = (name) => one(`[data-look="${name}"]`)?.click();
  const places = { i: "/", a: "/alerts", c: "/changes", d: "/deliveries", s: "/status" };
  let isGoing = 0;
  const acts = {
    "?": sheet,
    "/": () => all("[data-search]").pop()?.focus(),
    j: () => walk(1), k: () => walk(-1),
    g: () => (isGoing = Date.now()),
    n: () => one("[data-note]")?.focus(),
    z: () => one("#undo button")?.click(),
    d: () => { const draft = one("#draft"); draft?.scrollIntoView(); draft?.focus({ preventScroll: true }); },
    y: () => one("[data-copy-url]")?.click(),
    "+": () => look("closer"), "=": () => look("closer"), "-": () => look("further"), 0: () => look("whole"),
  };
  addEventListener("keydown", (event) => {
    const field = event.target.matches?.("input:not([type=checkbox]), textarea, select") ? event.target : null;
    if (field) {
      if (event.key === "Escape" && !field.closest("dialog")) field.blur();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) field.form?.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !isOn() || one("dialog[open]")) return;
    if (Date.now() - isGoing < 1500 && places[event.key]) return location.assign(places[event.key]);
    const step = one(`[data-key="${CSS.escape(event.key)}"]`);
    const act = step ? () => (step.localName === "summary" ? openAndFocus(step) : step.click()) : acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // --- What only a script can do -----------------------------------------------------------------

  const copy = async (button, text) => {
    const said = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https a browser gives no clipboard; the old way still works.
      const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
      button.after(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => (button.textContent = said), 1500);
  };
  addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { copy: from, copyUrl, print, help } = button.dataset;
    if (from) copy(button, one(from).innerText);
    if (copyUrl) copy(button, await (await fetch(copyUrl)).text());
    if (print !== undefined) window.print();
    if (help !== undefined) sheet();
  });

  /** Gives new parts of the page what the script adds to them. */
  const dress = () => {
    all("button[hidden][data-copy], button[hidden][data-copy-url], button[hidden][data-print], button[hidden][data-help]")
      .forEach((button) => (button.hidden = false));
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const zones = one("#zones");
    if (own && zones && ![...zones.options].some((option) => option.value === own)) {
      zones.add(new Option(`${own} (yours)`, own));
    }
    const names = one("#zone-names");
    if (own && names && !one(`[value="${CSS.escape(own)}"]`, names)) names.append(new Option("", own));
    fill();
    chart();
  };
  const fill = () => {
    const author = remembered("author");
    // As if the server had filled it in: the form is not in use because of it.
    if (author) all("input[name=author]").forEach((field) => (field.defaultValue ||= author));
  };
  // One comes back to the view that one sees, not to the one that was loaded.
  all("[data-display]").forEach((form) => form.addEventListener("submit", () =>
    (one("[name=back]", form).value = location.pathname + location.search)));
  one("#zones").addEventListener("change", (event) => event.target.form.requestSubmit());
  one("#theme").addEventListener("submit", (event) => {
    // Where nobody chose yet, the button turns what is seen now.
    const isDark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      !document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches;
    event.submitter.value = isDark ? "light" : "dark";
  });
  dress();
  listen();
})();
