"""The way of the data as Prefect flows, their wiring, and the ``bounds`` command.

The only package that imports Prefect, and the only one that joins the parts. Importing it costs nothing:
each flow and each command imports what it needs when it runs.
"""
