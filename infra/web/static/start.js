// Keeps the lights of the start page true while it is open. Without it the page shows the state of its loading.
const mark = (light, healthy) => { light.dataset.healthy = healthy ? "yes" : "no"; };

async function refresh() {
  if (document.hidden) return;
  const verdict = document.getElementById("verdict");
  let state;
  try {
    const answer = await fetch("/health", { cache: "no-store" });
    state = await answer.json();
  } catch {
    mark(document.getElementById("verdict-light"), false);
    verdict.textContent = "This page’s own server does not answer any more.";
    return;
  }
  mark(document.getElementById("verdict-light"), state.healthy);
  if (verdict.textContent !== state.says) verdict.textContent = state.says;
  for (const row of document.querySelectorAll("[data-part]")) {
    const part = state.parts[row.dataset.part];
    if (!part) continue;
    mark(row.querySelector(".light"), part.healthy);
    row.querySelector("[data-said]").textContent = part.says;
  }
}

setInterval(refresh, 5000);
document.addEventListener("visibilitychange", refresh);
