"""How a net is trained: steps, one loop, when to stop, where, and within which budget; no engine is known here."""
