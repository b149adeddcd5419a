"""Distributions counted from codes, without a net: trees, hierarchies, groups, mixtures of products."""
