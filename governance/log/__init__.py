"""The record: an append-only Merkle log in forms that outsiders know, and nothing of where it is kept.

===============  =========================================================================================
``merkle``       RFC 6962 hashes, roots, inclusion and consistency proofs, and their verification
``tiles``        the tree cut into files of 256 hashes (C2SP tlog-tiles)
``note``         signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature)
``entry``        what an entry says: its kind, its time and a small body without personal data
``inclusion``    a checkpoint and proofs in one file, for who has neither the log nor a connection to it
===============  =========================================================================================

Keeping, signing and exporting are :mod:`infra.log`'s and its neighbours'.
"""
