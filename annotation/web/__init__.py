"""The portal: what an annotator sees. Reaches storage through annotation.ports only."""
