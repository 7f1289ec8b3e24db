"""How methods are called in tables and figures."""

from tsal import methods

_OTHERS = {"warmup": "Warm-up", "lightning_pose": "Lightning Pose"}


def method_name(method: str) -> str:
    """How a method of the configuration is called: "tsal_mu_0" is "TSAL, mu 0"."""
    titles = {name: methods.get(name).title for name in methods.names()} | _OTHERS
    for known in sorted(titles, key=len, reverse=True):
        if method == known or method.startswith(f"{known}_"):
            return ", ".join([titles[known], *filter(None, [method[len(known) + 1 :].replace("_", " ")])])
    return method.replace("_", " ")
