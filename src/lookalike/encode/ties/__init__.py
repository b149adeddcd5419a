"""What columns settle about each other, and rows that share a key: found in the rows learned from, kept in all that are made."""
