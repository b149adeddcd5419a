"""Room 3: every column becomes a code and a residual, and comes back from them."""
