"""The settings of a run as typed models."""
