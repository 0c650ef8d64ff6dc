"""Commands of ``bounds``, one module per noun; each imports what it needs when it runs."""
