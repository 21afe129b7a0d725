"""Concurrent training: one generator that grows, its newest blocks trained together (Hinz et al. 2021)."""
