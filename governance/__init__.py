"""The rules: policy tiers, audit verdicts, promotion decisions, the record.

Pure: values in, values out. No file, network, clock, environment or randomness is read here; ``now``
and ``seed`` are arguments. What touches the outside world lives in :mod:`infra`.
"""
