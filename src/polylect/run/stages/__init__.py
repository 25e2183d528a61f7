"""The stages of the recipe: one function per kind of step, called by the runner in a process of its own.

A stage reads the tables and checkpoints of its inputs, calls one part of Polylect, and writes tables and checkpoints.
"""
