"""A window that shows pictures one after the other."""

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
from PIL import Image

from tsal.errors import InputError

if TYPE_CHECKING:
    import tkinter

_SHARE = 0.9  # of the screen that a picture fills at most


class Window:
    """A window over which `show` lays pictures, until it is closed, or `q` is pressed in it.

    By Tk, which comes with Python: OpenCV's own window is not in the build without one that servers can install.

    Raises:
        InputError: Python has no Tk, or there is no display.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError:
            raise InputError("no window: this Python has no tkinter; on Debian: sudo apt install python3-tk") from None
        display = os.environ.get("DISPLAY", "")
        if sys.platform == "linux" and not display:
            raise InputError("no display ($DISPLAY is not set)")
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise InputError(f"no display {display}: {error}") from None
        self._root.withdraw()  # until there is something to show
        self._root.title(title)
        self._root.resizable(False, False)
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        for key in ("q", "Q", "Escape"):
            self._root.bind(f"<Key-{key}>", self._close)
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._photo = None
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._label.configure(image="")  # before the photo goes, which Tk would else look for
        self._photo = None
        self._root.destroy()

    def _close(self, _: "tkinter.Event | None" = None) -> None:
        self.closed = True

    def show(self, image: np.ndarray) -> None:
        """Show a picture (H, W, 3) uint8 RGB, smaller where the screen is."""
        from PIL import ImageTk  # which imports tkinter

        picture = Image.fromarray(self._fitted(image))
        if self._photo is None or (self._photo.width(), self._photo.height()) != picture.size:
            self._photo = ImageTk.PhotoImage(picture)
            self._label.configure(image=self._photo)
            self._root.deiconify()
        else:
            self._photo.paste(picture)
        self.refresh()

    def refresh(self) -> None:
        """Heed keys, and the button that closes the window."""
        self._root.update()

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        screen = self._root.winfo_screenwidth(), self._root.winfo_screenheight()
        factor = _SHARE * min(screen[0] / width, screen[1] / height)
        if factor >= 1:
            return image
        return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
