// Makes pages livelier; every page works without it. Says that something changed, and shows it at
// once unless somebody is writing. Sends a note without leaving the page.
"use strict";

(() => {
  const news = document.getElementById("news");
  const article = document.querySelector("[data-incident]");
  const mine = article && article.dataset.incident;

  const isWriting = () =>
    document.visibilityState === "visible" &&
    (document.activeElement?.matches("input, textarea, select") ||
      [...document.querySelectorAll("textarea")].some((area) => area.value.trim() !== "") ||
      document.querySelector("details[open]") !== null);

  let timer = 0;
  const changed = () => {
    news.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(() => isWriting() || location.reload(), 2000);
  };

  if (news && "EventSource" in window) {
    const place = encodeURIComponent(document.body.dataset.place || "");
    const stream = new EventSource(`/api/v1/stream?last_event_id=${place}`);
    stream.addEventListener("incident", (event) => {
      if (!mine || String(JSON.parse(event.data).id) === mine) changed();
    });
    stream.addEventListener("lagged", changed);
    addEventListener("pagehide", () => stream.close());
  }

  const form = document.getElementById("note");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = form.querySelector(".problem");
    const button = form.querySelector("button");
    const fields = [...new FormData(form)].filter(([name, value]) => name !== "csrf" && value.trim() !== "");
    button.disabled = true;
    problem.hidden = true;
    try {
      const answer = await fetch(`/api/v1/incidents/${mine}/notes`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": document.body.dataset.csrf || "" },
        body: JSON.stringify(Object.fromEntries(fields)),
      });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      form.reset();
      location.reload();
    } catch (error) {
      problem.textContent = `Not saved: ${error.message}`;
      problem.hidden = false;
      button.disabled = false;
    }
  });
})();
