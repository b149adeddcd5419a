"""Rules that all rows keep: arithmetic, orders, gaps, combinations."""
