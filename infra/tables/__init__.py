"""Tables of the platform's database as SQLAlchemy sees them, a module for each concept; ``infra/migrations`` makes them.

A test compares these declarations with a migrated database, column by column.
"""

from infra.tables import collected, decisions, items, live, log, people, portal, releases, withdrawals
from infra.tables.columns import METADATA

__all__ = [
    "METADATA",
    "collected",
    "decisions",
    "items",
    "live",
    "log",
    "people",
    "portal",
    "releases",
    "withdrawals",
]
