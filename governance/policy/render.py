"""A policy document as YAML that parses to the same digest."""

from __future__ import annotations

from typing import Any

import yaml

from governance.policy.document import FORMAT, PolicyDocument

__all__ = ["render"]


class _Dumper(yaml.SafeDumper):
    """Writes what :mod:`governance.policy.source` reads: no anchors, and text that looks like a number quoted."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class names it
        """Values that occur twice are written twice."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    quoted = (
        not text or any(char.isdigit() for char in text) or text.lower() in {"true", "false", "null", "~"}
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'" if quoted else None)


_Dumper.add_representer(str, _text)


def render(document: PolicyDocument) -> str:
    """YAML text of ``document``; ``parse`` of it gives a document of the same digest."""
    plain = document.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    head = {"format": FORMAT, "id": document.id, "version": document.version, "tier": document.tier}
    return yaml.dump(head | plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
