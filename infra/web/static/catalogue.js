// Sends the form while it is moved and puts the parts of the answer marked data-live in their places.
// Without it the button does the same. Nothing is kept.
const form = document.getElementById("wishes");
const button = document.getElementById("send");
let timer, running;

// Replaces what differs; a rule that was unfolded stays so.
function put(part, other) {
  const open = new Set([...part.querySelectorAll("details[open]")].map(at => at.closest("li").id));
  for (const at of other.querySelectorAll("details")) at.open = open.has(at.closest("li").id);
  if (other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
}

async function refresh() {
  running?.abort();
  running = new AbortController();
  let text;
  try {
    const answer = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), signal: running.signal,
    });
    if (!answer.ok) throw new Error(answer.status);
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") return;
    document.getElementById("summary").textContent = "No answer from the server; what you see is the last one.";
    button.hidden = false;
    return;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (other) put(part, other);
  }
  for (const option of document.querySelectorAll("[data-out]")) {
    const other = fresh.getElementById(option.id);
    if (other) option.dataset.out = other.dataset.out;
  }
}

form.addEventListener("input", event => {
  const moved = event.target;
  if (moved.type === "range") {
    moved.closest(".slide").querySelector("[type=checkbox]").checked = true;
    const shown = document.getElementById(moved.id.replace("w-", "v-"));
    shown.textContent = [moved.value, shown.dataset.unit].filter(Boolean).join(" ");
    moved.setAttribute("aria-valuetext", shown.textContent);
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, 120);
});
form.addEventListener("submit", event => { event.preventDefault(); refresh(); });
button.hidden = true;
