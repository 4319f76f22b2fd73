"""HTTP: what comes in is checked here, and what goes out is rendered here."""
