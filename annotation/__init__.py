"""The people and their judgements: records, decoding, checks, agreement, coverage, releases.

Pure, except :mod:`annotation.web`, which reaches storage through the Protocols of
:mod:`annotation.ports`.
"""
