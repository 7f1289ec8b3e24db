"""As where the extra `synth` is not installed: `all` leaves out the rendered faces, which take time."""

import importlib.util

find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "anny" else find_spec(name, *rest)
