"""Training as a function of its inputs and a seed."""
