"""Requests as data: what generators share, histories, examples, and a model that answers them."""
