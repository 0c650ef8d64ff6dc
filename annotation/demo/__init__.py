"""What the project ships to collect from: items written for it, and simulated people who judge them.

Nothing here is evidence about a model or about people. Items and people are marked ``simulated`` in every
record that comes of them, and the link between a simulated person's profile and tastes is invented.

:mod:`~annotation.demo.items` reads the items, :mod:`~annotation.demo.people` the people, and
:mod:`~annotation.demo.panel` says how a person judges an item. The files lie beside this module
(``items.jsonl``, ``people.jsonl``); ``docs/demo-data.md`` is their data card.
"""

from annotation.demo.items import DemoItem, parse_items
from annotation.demo.panel import PanelAnswer, Panellist
from annotation.demo.people import Person, Tastes, parse_people

__all__ = ["DemoItem", "PanelAnswer", "Panellist", "Person", "Tastes", "parse_items", "parse_people"]
