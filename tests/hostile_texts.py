"""Texts that a stranger might write into a configuration, and what of them a configuration takes."""

from collections.abc import Iterator

from pydantic import BaseModel

from tsal.config import reference

CANARY = "canary"  # a file that one of the commands within the texts would make
# Fit for one line of a command, a table, a page: taken as they are where text is asked for.
ODD = [
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"a; touch {CANARY} #",
    f"a & touch {CANARY} & b",
    f"a' ; touch {CANARY} ; 'b",
    f'a" ; touch {CANARY} ; "b',
    f"a | touch {CANARY} > {CANARY}",
    "$HOME ${PATH} %s %(x)s * ? [a-z] ~ ! \\ \\n",
    "{wildcards.benchmark} {config} {benchmark} {nosuch} {{}} {",
    "<a> 5 < 6, x<5 & y>6".replace("<a>", "a>"),
    ".. include:: /etc/passwd",
    ".. raw:: html",
    "TSAL_ |a| `b`_ [1]_ *c* **d** :math:`x` __ ::",
    "-x",
    "--help",
    "Müller & Söhne, 50 % of “l'été” – 顔 🙂",
    "!!python/object/apply:os.system [touch canary]",
]
# One line would become two, a terminal would be steered, or a page would run it.
UNFIT = [f"a\ntouch {CANARY}", "a\r", "a\x1b]0;title\x07", "a\x00b", "a\u2028b", "a\u202eb", "a\x9bb", "\ud800"]
MARKED = ["</script><script>alert(1)</script>", "<!-- a", "<img src=x onerror=alert(1)>", "<?php"]


def keys() -> Iterator[str]:
    """Every key that a configuration can have, as "methods.tsal.fusion"; NAME stands for a name of the user's."""
    for _, _, kind, prefix in reference._sections():
        for key in _keys_of(kind):
            yield f"{prefix}{key}"


def _keys_of(kind: type[BaseModel]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        inner = type(field.default) if isinstance(field.default, BaseModel) else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (f"{name}.{key}" for key in _keys_of(inner))
        yield name
