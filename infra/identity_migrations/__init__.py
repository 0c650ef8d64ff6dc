"""Versioned migrations of a site's identity database, by the same rules as ``infra.migrations``."""
