"""Teacher-Student Asynchronous Learning for facial landmarks in video (arXiv 2012.06711)."""

__version__ = "0.1.0"
