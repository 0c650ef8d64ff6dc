"""The outside world: servers, databases, object stores, files, the environment. One file per system."""
