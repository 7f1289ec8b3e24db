"""Items that a thread makes while the caller uses those before."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, of which a thread makes the next one while the caller uses one."""
    coming_items = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, coming_items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, coming_items, end)
            yield item
