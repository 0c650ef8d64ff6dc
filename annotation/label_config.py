"""The labelling page for pairs, as data: what may be answered, how it is shown, what an answer means.

One place declares the answers. The page's XML, the decoding of what people submit and the simulated panel
all read :data:`ANSWERS`, so a label cannot mean one thing on the page and another in the record.

The page shows the prompt and two answers side by side in two equally wide columns, a seven-point scale with
"about the same" in its middle, two ways out ("neither is acceptable", "I cannot judge"), and an optional
reason. A way out is not a tie: a person who finds both answers harmful does not find them equally good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from xml.sax.saxutils import quoteattr

from annotation.records import Outcome
from governance.digest import digest_bytes

__all__ = [
    "ANSWERS",
    "PREFERENCE",
    "RATIONALE",
    "SHOWN",
    "Answer",
    "config_digest",
    "pairwise_config",
    "positional_label",
]

PREFERENCE: Final = "preference"
RATIONALE: Final = "rationale"
# Markdown shows but cannot be answered about: a control that names it chooses, looks chosen and stores
# nothing. The answers hang on a hidden text that holds the presentation's id.
SHOWN: Final = "shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One thing a person can say about a pair.

    Attributes:
        label: What Label Studio stores (the choice's alias).
        text: What the person reads.
        hotkey: The key that chooses it.
        outcome: What it means.
        positional: Strength in shown order, -3 (first much better) to 3 (second much better); None for a
            way out.
    """

    label: str
    text: str
    hotkey: str
    outcome: Outcome
    positional: int | None


def _scale(label: str, text: str, hotkey: str, positional: int) -> Answer:
    outcome = Outcome.TIE if positional == 0 else Outcome.PREFERS
    return Answer(label=label, text=text, hotkey=hotkey, outcome=outcome, positional=positional)


_LISTED: Final = (
    _scale("first_much_better", "First much better", "1", -3),
    _scale("first_better", "First better", "2", -2),
    _scale("first_slightly_better", "First slightly better", "3", -1),
    _scale("about_the_same", "About the same", "4", 0),
    _scale("second_slightly_better", "Second slightly better", "5", 1),
    _scale("second_better", "Second better", "6", 2),
    _scale("second_much_better", "Second much better", "7", 3),
    Answer(
        label="neither_acceptable",
        text="Neither is acceptable",
        hotkey="8",
        outcome=Outcome.NEITHER,
        positional=None,
    ),
    Answer(
        label="cannot_judge",
        text="I cannot judge",
        hotkey="9",
        outcome=Outcome.CANNOT_JUDGE,
        positional=None,
    ),
)

ANSWERS: Final = MappingProxyType({answer.label: answer for answer in _LISTED})
"""Label → :class:`Answer`, in the order of the page."""


def positional_label(
    outcome: Outcome, strength: int | None, *, shown: Sequence[str], canonical: Sequence[str]
) -> str:
    """The label a person with this judgement chooses when the pair is shown in this order.

    The inverse of decoding; the simulated panel and the replay of recorded votes use it.

    Args:
        outcome: What the person says.
        strength: Canonical strength, -3 (canonical first much better) to 3; None unless a preference or tie.
        shown: The two candidate ids as shown.
        canonical: The two candidate ids in the item's own order.

    Raises:
        ValueError: The outcome and strength do not make an answer of the page.
    """
    swapped = list(shown) != list(canonical)
    positional = None if strength is None else (-strength if swapped else strength)
    for answer in _LISTED:
        if answer.outcome is outcome and answer.positional == positional:
            return answer.label
    raise ValueError(f"no answer for outcome {outcome} with strength {strength}")


# Flex columns gave 3:1 panes with a long and a short answer; a pane's width must not depend on its text.
_STYLE: Final = """
.bounds-page { max-width: 1280px; margin: 0 auto; }
.bounds-pane { min-width: 0; overflow-wrap: anywhere; border: 1px solid var(--color-neutral-border, #d9d7d3);
  border-radius: 8px; padding: 4px 16px 12px; }
.bounds-pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 16px; margin: 16px 0; }
.bounds-pane h1, .bounds-pane h2, .bounds-pane h3 { font-size: 1.15em; line-height: 1.3; margin: 0.8em 0 0.4em; }
.bounds-scale .lsf-choices_layout_inline { display: grid; grid-template-columns: repeat(7, minmax(0, 1fr)); gap: 4px 8px; }
.bounds-scale .lsf-choice { margin: 0; }
.bounds-scale .lsf-choice:nth-child(n+8) { grid-column: span 3; }
@media (max-width: 720px) {
  .bounds-pair, .bounds-scale .lsf-choices_layout_inline { grid-template-columns: minmax(0, 1fr); }
  .bounds-scale .lsf-choice:nth-child(n+8) { grid-column: auto; }
}
"""


def pairwise_config() -> str:
    """The XML of the page, byte for byte the same on every call."""
    choices = "\n".join(
        f"      <Choice alias={quoteattr(answer.label)} value={quoteattr(answer.text)}"
        f" hotkey={quoteattr(answer.hotkey)}/>"
        for answer in _LISTED
    )
    return f"""<View className="bounds-page">
  <Style>{_STYLE}</Style>
  <View style="display: none"><Text name="{SHOWN}" value="$presentation"/></View>
  <View className="bounds-pane">
    <Header value="Conversation" size="5"/>
    <Markdown name="prompt" value="$prompt"/>
  </View>
  <View className="bounds-pair">
    <View className="bounds-pane">
      <Header value="First answer" size="5"/>
      <Markdown name="first" value="$first"/>
    </View>
    <View className="bounds-pane">
      <Header value="Second answer" size="5"/>
      <Markdown name="second" value="$second"/>
    </View>
  </View>
  <Header value="Which answer is better?" size="5"/>
  <View className="bounds-scale">
  <Choices name="{PREFERENCE}" toName="{SHOWN}" choice="single-radio" showInline="true" required="true"
           requiredMessage="Choose one, or say that you cannot judge.">
{choices}
  </Choices>
  </View>
  <Header value="Why? (optional; please name nobody)" size="5"/>
  <TextArea name="{RATIONALE}" toName="{SHOWN}" rows="3" maxSubmissions="1" editable="true" showSubmitButton="false"/>
</View>"""


def config_digest(config: str | None = None) -> str:
    """Digest of a page's XML as it stands; of :func:`pairwise_config` if none is given."""
    return digest_bytes((pairwise_config() if config is None else config).encode("utf-8"))
