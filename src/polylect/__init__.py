"""Train one language model for many languages, and show whom it serves."""

__version__ = "0.1.0"
__all__ = ["__version__"]
