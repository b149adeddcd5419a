"""The nets, and how they see rows: weights, shapes and gradients; nothing here trains or knows an engine."""
