"""The members of an ensemble: trained beside each other, weighed, drawn from together."""
