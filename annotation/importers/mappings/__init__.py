"""How the codebooks that others publish map to the platform's, as versioned data; read by infra."""
