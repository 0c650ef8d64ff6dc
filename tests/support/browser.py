"""What every test in Chromium needs: how it is started, and the contrast of what it shows."""

import os
from pathlib import Path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]

# Contrast of every visible text with the ground it stands on, by WCAG 2's formula.
CONTRAST = """
() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest(".skip") || element.getClientRects().length === 0) continue;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push([element.textContent.trim().slice(0, 40), ratio]);
  }
  return low;
}
"""

# Tables that become cards on a phone and still do not fit, so that a column is hidden until one scrolls sideways.
HIDDEN = """
() => [...document.querySelectorAll("table.stack")]
  .filter(table => innerWidth < 600 && table.scrollWidth > table.parentElement.clientWidth + 1)
  .map(table => table.parentElement.getAttribute("aria-label"))
"""

# Fields, buttons and links that nobody who cannot see the page could name, and ids that stand twice.
UNNAMED = """
() => {
  const text = id => document.getElementById(id)?.textContent ?? "";
  const name = element => (element.getAttribute("aria-label")
    ?? (element.getAttribute("aria-labelledby") ?? "").split(" ").map(text).join("")
    ) || [...(element.labels ?? [])].map(label => label.textContent).join("") || element.textContent
    || [...element.querySelectorAll("img")].map(image => image.alt).join("");
  const all = selector => [...document.querySelectorAll(selector)];
  const nameless = all("input:not([type=hidden]), select, button, a, summary, [role=region], [tabindex='0']")
    .filter(element => !name(element).trim()).map(element => element.outerHTML.slice(0, 100));
  const ids = all("[id]").map(element => element.id);
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  const dangling = all("[aria-describedby], [aria-labelledby], [for]").flatMap(element =>
    ["aria-describedby", "aria-labelledby", "for"].flatMap(at => (element.getAttribute(at) ?? "").split(" "))
  ).filter(id => id && !document.getElementById(id));
  const levels = all("h1, h2, h3, h4").map(heading => Number(heading.tagName[1]));
  const jumps = levels.filter((level, i) => level > (levels[i - 1] ?? 0) + 1);
  return [...nameless, ...twice, ...dangling, ...jumps];
}
"""


def picture(page, name, *, width, scheme):
    """Take the page for the docs, on a desk in the light and on a phone in the dark, where BOUNDS_PICTURES asks for it."""
    where = {(1280, "light"): "desk", (390, "dark"): "phone"}.get((width, scheme))
    if where and os.environ.get("BOUNDS_PICTURES"):
        page.screenshot(path=IMAGES / f"{name}-{where}.png", full_page=True)
