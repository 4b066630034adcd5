"""Composes the components into runs, and is the command line.

TOML --config.py--> Run --steps.py--> prepared -> checkpoint -> metrics -> export -> published
                                                                                      -> precomputed
"""
