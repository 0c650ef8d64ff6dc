"""Audits: plan, verdicts, statistics, report. Pure; what asks a model lives in infra."""
