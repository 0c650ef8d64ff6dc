"""Texts and questions that people see, as data."""
