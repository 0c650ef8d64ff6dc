"""The policy engine: three tiers of documents, their meet, and what it leaves to a person.

``source`` reads YAML with places, ``document`` checks its shape and names it by digest, ``compose`` takes the
meet of a stack, ``decide`` and ``resolve`` answer for one wish and one person, ``batch`` for columns,
``conflicts`` and ``diff`` show what is wrong or has changed, with an example of each.
"""
