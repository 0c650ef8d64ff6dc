"""The embedded stack: every server the platform needs, from one data folder, on loopback, under one supervisor.

::

    with Stack(home) as stack:
        stack.settings            # addresses and tokens, as every other part of the platform reads them
        stack.timings             # seconds to readiness per part

``bounds up`` is this class with a display. The parts:

| module       | its concept                                                              |
|--------------|--------------------------------------------------------------------------|
| `guard`      | runs one program that cannot outlive the supervisor                       |
| `process`    | a child under its guard                                                   |
| `part`       | what is run, and how it is                                                |
| `supervisor` | order, readiness, restarts, stopping                                      |
| `blueprint`  | what all parts have in common                                             |
| `servers`, `flow_servers` | command line, environment and readiness of each part         |
| `template`   | where Label Studio is, and its empty database                             |
| `secrets`, `ports`, `record` | what the data folder holds about the stack               |
| `health`     | how the stack of a folder is, asked from outside                          |
"""

from infra.stack.part import PartStatus, State
from infra.stack.stack import PARTS, Stack

__all__ = ["PARTS", "PartStatus", "Stack", "State"]
