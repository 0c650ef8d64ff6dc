// Conveniences of the portal: everything also works without this file.
"use strict";

// A slider beside each number; untouched it has no value, and neither has the number.
for (const slider of document.querySelectorAll("input[type=range][data-for]")) {
  const number = document.getElementById(slider.dataset.for);
  const show = () => {
    const touched = number.value !== "";
    slider.classList.toggle("untouched", !touched);
    if (touched) { slider.value = number.value; slider.removeAttribute("aria-valuetext"); }
    else slider.setAttribute("aria-valuetext", slider.dataset.untouched);
  };
  const touch = () => { number.value = slider.value; show(); number.dispatchEvent(new Event("change", { bubbles: true })); };
  slider.hidden = false;
  slider.addEventListener("input", touch);
  slider.addEventListener("pointerup", touch);
  slider.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); touch(); } });
  number.addEventListener("input", show);
  show();
}

// Each place once: taking a place that another answer has frees it there.
for (const radio of document.querySelectorAll("input[data-rank]")) {
  radio.addEventListener("change", () => {
    for (const other of document.querySelectorAll("input[data-rank]:checked"))
      if (other !== radio && other.value === radio.value) other.checked = false;
  });
}

// Answers of models: ask whether they are there, until they are.
const waiting = document.querySelector("[data-wait]");
if (waiting) {
  const look = async () => {
    try {
      const answer = await fetch(waiting.dataset.wait, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok || await answer.text() !== "wait") { location.reload(); return; }
    } catch { /* the portal may be away for a moment */ }
    setTimeout(look, 1500);
  };
  setTimeout(look, 700);
}

const form = document.querySelector("form[data-labelling]");
if (form) {
  // Time while the page is really looked at.
  let seconds = 0, since = document.hidden ? null : performance.now();
  const count = () => { if (since !== null) seconds += (performance.now() - since) / 1000; since = document.hidden ? null : performance.now(); };
  document.addEventListener("visibilitychange", count);
  form.addEventListener("submit", () => { count(); if (form.elements.seconds) form.elements.seconds.value = seconds.toFixed(1); });

  // 1 to 9 choose, Ctrl+Enter submits; never while somebody writes.
  document.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("textarea, select, input:not([type=radio])")) return;
    const radio = form.querySelector(`input[data-key="${CSS.escape(event.key)}"]`);
    if (radio) { radio.checked = true; radio.focus(); radio.dispatchEvent(new Event("change", { bubbles: true })); }
  });

  // Drafts, a moment after the last change.
  const says = document.getElementById("draft");
  let timer = 0;
  const save = async () => {
    const body = new URLSearchParams(new FormData(form));
    body.set("quiet", "1");
    try {
      const answer = await fetch(form.dataset.draft, { method: "POST", body, credentials: "same-origin", redirect: "error" });
      says.textContent = answer.status === 204 ? says.dataset.saved : says.dataset.failed;
    } catch { says.textContent = says.dataset.failed; }
  };
  if (form.dataset.draft) {
    const soon = () => { clearTimeout(timer); timer = setTimeout(save, 700); };
    form.addEventListener("change", soon);
    form.addEventListener("input", soon);
    form.addEventListener("submit", () => clearTimeout(timer));
  }
}

const problems = document.getElementById("problems");
if (problems) problems.focus();
