"""Room 6: rows that were drawn, made better or sent back."""
