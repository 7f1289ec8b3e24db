"""The batches of a training step: labelled faces, clips of unlabelled frames, and the faces to measure on."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from tsal.data.augment import View, apply_view, draw_view, to_view
from tsal.data.columns import numbers_of
from tsal.data.cropping import apply_affine
from tsal.data.crops import CropStore
from tsal.data.device import ReadAhead, pinned, to_device
from tsal.data.labels import labelled_rows
from tsal.data.landmarks import Scheme, mirror_shift_of, scheme_of
from tsal.data.randomness import generator
from tsal.data.shards import ShardedArray
from tsal.errors import InputError
from tsal.evaluation.metrics import nme
from tsal.flow.fields import REDUCTION, to_tensor
from tsal.settings.models import Augmentation, Settings

_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Frames:
    """Frames without labels, N of them, and the neighbour in the clip that each is tracked from.

    images, neighbours: uint8 (N, S, S, 3) crops; a frame without neighbour is its own, with zero flow.
    there, back: (N, 2, S/2, S/2) stored flow from the frame to its neighbour, and back.
    tracked: (N,) bool, the frame has a neighbour to be tracked from.
    view: the warps of the source `view`; None where no method asks for it.
    """

    images: Tensor
    neighbours: Tensor
    there: Tensor
    back: Tensor
    tracked: Tensor
    view: View | None = None


@dataclass(frozen=True)
class LabelledBatch:
    """images (B, 3, P, P), the network's input; points (B, K, 2) in network px; annotated (B, K) bool.

    Where a hidden landmark is annotated too, as on rendered faces, it is learned like any other: a detector is
    asked for all of a face's landmarks. Scores count visible ones.
    """

    images: Tensor
    points: Tensor
    annotated: Tensor


@dataclass(frozen=True)
class UnlabelledBatch:
    """C clips of T frames: the frames and their neighbours, the student's views of them, and those views as images.

    rows: (C T,) of the pool.
    face_px: (C T,) side of the face box in network px, the face's size for SIC.
    tracked: (C T,) bool, that of the frames, on the CPU.
    """

    rows: np.ndarray
    frames: Frames
    view: View
    images: Tensor
    face_px: Tensor
    tracked: Tensor


@dataclass
class TrainingData:
    """The training split under a label budget.

    store: all training faces.
    flow: of the pairs of the unlabelled frames, or None where no method needs it; it stays on disk.
    pool: the store that unlabelled frames come from, where that is another one.
    """

    settings: Settings
    store: CropStore
    flow: np.ndarray | ShardedArray | None
    seed: int
    device: torch.device
    pool: CropStore | None = None
    _ahead: ReadAhead = field(init=False, repr=False)
    _last: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _rounds: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._ahead = ReadAhead(self.device.type == "cuda")
        if not len(self.store) or not len(self.unlabelled):
            raise InputError(
                f"{self.settings.benchmark}: no training crops; expected a face table with faces to train on"
            )
        if (self.unlabelled.input_px, self.unlabelled.size) != (self.store.input_px, self.store.size):
            raise InputError(
                f"the unlabelled crops are {self.unlabelled.size} px for an input of {self.unlabelled.input_px}, the "
                f"labelled ones {self.store.size} px for {self.store.input_px}; expected the same: make them anew"
            )

    @property
    def unlabelled(self) -> CropStore:
        """The store that unlabelled frames come from."""
        return self.store if self.pool is None else self.pool

    @cached_property
    def scheme(self) -> Scheme:
        return scheme_of(self.settings.scheme)

    @cached_property
    def augmentation(self) -> Augmentation:
        """What views are drawn from; faces of a scheme that has no mirror images are never mirrored."""
        augmentation = self.settings.training.augmentation
        mirrors = mirror_shift_of(self.scheme, augmentation) is not None
        return augmentation if mirrors else augmentation.replace(flip=0.0)

    @cached_property
    def labelled(self) -> np.ndarray:
        """Rows of the faces whose landmarks may be learned from."""
        return labelled_rows(self.store, self.settings.labels, self.seed)

    @cached_property
    def probe(self) -> np.ndarray:
        """Rows of annotated unlabelled frames, on which signals are measured and never learned from.

        None where the pool's landmarks are other ones.
        """
        if self.unlabelled.points.shape[1] != self.scheme.n_points:
            return np.empty(0, int)
        annotated = self.unlabelled.visible.any(1)
        if self.pool is None:
            annotated[self.labelled] = False
        hidden = np.flatnonzero(annotated)
        order = torch.randperm(len(hidden), generator=generator(self.seed, "probe", 0)).numpy()
        return np.sort(hidden[order[: self.settings.training.probe]])

    # Of each frame of the pool, which may be millions, a few bytes are held: a flag, or a row as `_row_type`.

    @cached_property
    def window_starts(self) -> np.ndarray:
        """First rows (W,) of all windows of the pool: of each full one, and of each shorter clip."""
        following, length = self.unlabelled.next, self.settings.unlabelled.clip_frames
        chosen = np.zeros(len(following), bool)
        for start in range(0, len(following), _ROWS_AT_ONCE):
            last = np.arange(start, min(start + _ROWS_AT_ONCE, len(following)))
            full = np.ones(len(last), bool)
            for _ in range(length - 1):
                last = following[last]
                full &= last >= 0
            chosen[start : start + len(last)] = full
        chosen |= self.previous < 0
        return np.flatnonzero(chosen & self.in_pool).astype(self._row_type)

    def windows(self, starts: np.ndarray) -> np.ndarray:
        """Rows (len(starts), T) of consecutive frames of a clip of the pool; one shorter than T repeats its last frame.

        Args:
            starts: some of window_starts.
        """
        rows = [starts.astype(np.int64)]
        for _ in range(self.settings.unlabelled.clip_frames - 1):
            following = self.unlabelled.next[rows[-1]]
            rows.append(np.where(following >= 0, following, rows[-1]))
        return np.stack(rows, 1)

    @property
    def _row_type(self) -> type:
        return np.int32 if len(self.unlabelled) < 1 << 31 else np.int64

    @cached_property
    def in_pool(self) -> np.ndarray:
        """(N,) bool, whether a row of the unlabelled store gives unlabelled frames: those of the first clips in an
        order that the seed alone decides do, so that a smaller `pool_share` is part of a larger one.
        """
        count, clip_of = numbers_of(self.unlabelled.clip)
        wanted = max(1, round(self.settings.unlabelled.pool_share * count))
        if wanted == count:
            return np.ones(len(self.unlabelled), bool)
        chosen = np.zeros(count, bool)
        chosen[torch.randperm(count, generator=generator(self.seed, "pool", 0)).numpy()[:wanted]] = True
        return chosen[clip_of]

    @cached_property
    def hidden_rows(self) -> np.ndarray:
        """Rows of the pool without the labelled faces: those that pseudo-labels are for."""
        hidden = self.in_pool.copy()
        if self.pool is None:
            hidden[self.labelled] = False
        return np.flatnonzero(hidden)

    @cached_property
    def pair_of(self) -> np.ndarray:
        """(N,) index into the flow for the pair that begins at each row, or -1."""
        begins = self.unlabelled.next >= 0
        index = np.cumsum(begins, dtype=self._row_type) - 1
        index[~begins] = -1
        return index

    def _read(self, store: CropStore, rows: np.ndarray) -> Tensor:
        """The crops of some rows, for `to_device`."""
        return pinned(torch.from_numpy(np.ascontiguousarray(store.images[rows])), self.device)

    def view(self, n: int, random: torch.Generator) -> View:
        """Draw augmented views of n crops."""
        return draw_view(n, self.store.size, self.store.input_px, self.augmentation, random).to(self.device)

    def labelled_batch(self, step: int) -> LabelledBatch:
        """The labelled faces of a step: every face once before any comes again."""
        if not len(self.labelled):
            raise InputError(
                f"{self.settings.method}: a label budget of 0 leaves no face to learn from; expected a larger one, or "
                "a method with training.pretrained, warmup_steps: 0 and steps: 0"
            )
        images, points = self._ahead.get("labelled", step, self._read_labelled)
        batch = self._augmented(images, points, generator(self.seed, "labelled", step))
        self._last |= {"images": batch.images, "points": batch.points, "annotated": batch.annotated}
        return batch

    def last_batch(self) -> dict[str, Tensor]:
        """What was drawn last, as fields of the batches; those of unlabelled ones begin with `unlabelled_`."""
        return dict(self._last)

    def _read_labelled(self, step: int) -> tuple[Tensor, Tensor]:
        """Crops (B, S, S, 3) of a step's labelled faces, and their landmarks (B, K, 2) in store px, on the CPU."""
        batch, n = self.settings.training.batch, len(self.labelled)
        positions = np.arange(step * batch, (step + 1) * batch)
        needed = np.unique(positions // n).tolist()
        # Drawn once a round, not once a step: there may be a million of labelled faces.
        self._rounds = {r: self._rounds[r] if r in self._rounds else self._round(r) for r in needed}
        # Read from the disk's cache at every step: all labelled crops of a large benchmark fit into no memory.
        rows = self.labelled[[int(self._rounds[p // n][p % n]) for p in positions.tolist()]]
        return self._read(self.store, rows), torch.from_numpy(self.store.points[rows])

    def _round(self, number: int) -> Tensor:
        """The order of the labelled faces in the round of that number."""
        return torch.randperm(len(self.labelled), generator=generator(self.seed, "order", number))

    def pseudo_labelled_batch(self, rows: np.ndarray, points: Tensor, step: int) -> LabelledBatch:
        """As many frames as an unlabelled batch has, drawn from some of the pool, as a labelled batch.

        Args:
            rows: (N,) of the unlabelled store, N > 0.
            points: (N, K, 2) their landmarks in store px.
        """
        random = generator(self.seed, "pseudo", step)
        chosen = torch.randint(len(rows), (self.settings.unlabelled.frames,), generator=random)
        return self._augmented(self._read(self.unlabelled, rows[chosen.numpy()]), points[chosen], random)

    def _augmented(self, images: Tensor, points: Tensor, random: torch.Generator) -> LabelledBatch:
        """Crops with landmarks in store px, NaN where not annotated, in views drawn for them."""
        images, points = to_device(images, self.device), to_device(points, self.device)
        view = self.view(len(images), random)
        inputs = self.apply_view(images, view, random)
        annotated = points.isfinite().all(-1, keepdim=True)
        shown = to_view(torch.where(annotated, points, torch.nan), view, self.scheme)
        return LabelledBatch(inputs, shown.nan_to_num(), ~shown.isnan().any(-1))

    def apply_view(self, images: Tensor, view: View, random: torch.Generator) -> Tensor:
        """Augmented network input (N, 3, P, P) of uint8 crops (N, S, S, 3) in drawn views."""
        return apply_view(images, view, self.store.input_px, self.settings.training.augmentation, random)

    def unlabelled_batch(self, step: int) -> UnlabelledBatch:
        """The unlabelled clips of a step."""
        rows, neighbours, crops, random = self._ahead.get("unlabelled", step, self._read_unlabelled)
        frames = self._frames(rows, neighbours, *crops, generator(self.seed, "sources", step))
        view = self.view(len(rows), random)
        inputs = self.apply_view(frames.images, view, random)
        size = self.store.input_px / (1 + 2 * self.settings.detector.expand)
        self._last |= {"unlabelled_images": inputs, "unlabelled_rows": torch.from_numpy(rows)}
        return UnlabelledBatch(rows, frames, view, inputs, size * view.scale, torch.from_numpy(neighbours >= 0))

    def _read_unlabelled(self, step: int) -> tuple[np.ndarray, np.ndarray, tuple[Tensor, Tensor], torch.Generator]:
        """Rows of a step's frames and of their neighbours, the crops of both, and what the rows were drawn from."""
        random = generator(self.seed, "unlabelled", step)
        chosen = torch.randint(len(self.window_starts), (self.settings.unlabelled.clips,), generator=random).numpy()
        windows = self.windows(self.window_starts[chosen])
        rows, neighbours = windows.reshape(-1), self._neighbours(windows).reshape(-1)
        return rows, neighbours, self._read_frames(rows, neighbours), random

    def _neighbours(self, windows: np.ndarray) -> np.ndarray:
        """Rows (C, T) of the frame that each frame is tracked from, -1 for none.

        It is the one before; of a clip's first frame the next, where `neighbours` says so, or none. A frame that is
        repeated, to fill a clip, is only with the paper's "previous" tracked from itself: that adds nothing new.
        """
        neighbours = np.roll(windows, 1, 1)
        neighbours[:, 0] = -1
        if self.settings.unlabelled.neighbours == "both":
            neighbours[:, 0] = windows[:, min(1, windows.shape[1] - 1)]
            neighbours[neighbours == windows] = -1
        return neighbours

    def frames(self, rows: np.ndarray, neighbours: np.ndarray, random: torch.Generator | None = None) -> Frames:
        """Frames and their neighbours, as rows of the unlabelled store; neighbour -1: the frame is not tracked.

        Args:
            random: where the warps of the source `view` are drawn from; they stay within the training's augmentation.
        """
        return self._frames(rows, neighbours, *self._read_frames(rows, neighbours), random)

    def _read_frames(self, rows: np.ndarray, neighbours: np.ndarray) -> tuple[Tensor, Tensor]:
        store = self.unlabelled
        return self._read(store, rows), self._read(store, np.where(neighbours >= 0, neighbours, rows))

    def _frames(
        self, rows: np.ndarray, neighbours: np.ndarray, images: Tensor, others: Tensor, random: torch.Generator | None
    ) -> Frames:
        tracked = neighbours >= 0
        there, back = self.flow_between(rows, np.where(tracked, neighbours, rows))
        images, others = to_device(images, self.device), to_device(others, self.device)
        view = self.view(len(rows), random) if random else None
        return Frames(images, others, there, back, to_device(torch.from_numpy(tracked), self.device), view)

    def flow_between(self, rows: np.ndarray, neighbours: np.ndarray) -> tuple[Tensor, Tensor]:
        """Stored flow (B, 2, S/2, S/2) from frames to their neighbours in the clip, and back; 0 from one to itself."""
        store, half = self.unlabelled, self.store.size // REDUCTION
        there = torch.zeros(len(rows), 2, half, half, device=self.device)
        back = torch.zeros_like(there)
        moved = rows != neighbours
        if self.flow is not None and moved.any():
            is_next = store.next[rows] == neighbours
            pair = self.pair_of[np.where(is_next, rows, neighbours)[moved]]
            both = to_tensor(self.flow, pair, self.device)
            ahead = to_device(torch.from_numpy(is_next[moved]), self.device).view(-1, 1, 1, 1)
            where = to_device(torch.from_numpy(np.flatnonzero(moved)), self.device)
            there[where] = torch.where(ahead, both[:, 0], both[:, 1])
            back[where] = torch.where(ahead, both[:, 1], both[:, 0])
        return there, back

    @cached_property
    def previous(self) -> np.ndarray:
        """(N,) row of the clip's frame before each one of the pool, or -1."""
        before = np.full(len(self.unlabelled), -1, self._row_type)
        has_next = np.flatnonzero(self.unlabelled.next >= 0)
        before[self.unlabelled.next[has_next]] = has_next
        return before

    @cached_property
    def probe_frames(self) -> Frames:
        """The probe with each frame's neighbour: the frame before it, else the one after, else none."""
        rows, before = self.probe, self.previous[self.probe]
        neighbours = np.where(before >= 0, before, self.unlabelled.next[rows])
        return self.frames(rows, neighbours, generator(self.seed, "probe", 1))

    def probe_error(self, points: Tensor, known: Tensor) -> float | None:
        """NME in % of landmarks found in the probe's frames, over those that are known; None where none is.

        The truth of the probe's frames is used here alone, for the figure of the signals' noise; nothing is chosen by
        it.

        Args:
            points: (N, K, 2) in store px; known: (N, K) bool.
        """
        store, rows = self.unlabelled, self.probe
        counted = store.visible[rows] & known.cpu().numpy()
        told = counted.any(1) & np.isfinite(self._distances(store, rows))
        if not told.any():
            return None
        found = apply_affine(store.to_image[rows[told]], points.double().cpu().numpy()[told])
        return self.error(store, rows[told], found, counted[told])

    def error(self, store: CropStore, rows: np.ndarray, found: np.ndarray, counted: np.ndarray | None = None) -> float:
        """NME in % of landmarks (N, K, 2) in image px by the scheme's first normaliser, over the visible ones, or over
        those of `counted` (N, K), of faces that can be measured.
        """
        visible = store.visible[rows] if counted is None else counted
        return float(nme(found, self._truth(store, rows), visible, self._distances(store, rows)).mean())

    def measurable(self, store: CropStore) -> np.ndarray:
        """Rows of a store's faces whose error is defined: some landmark is visible, and those that the scheme's first
        normaliser measures between are annotated.
        """
        visible = np.flatnonzero(store.visible.any(1))
        return visible[np.isfinite(self._distances(store, visible))]

    def _truth(self, store: CropStore, rows: np.ndarray) -> np.ndarray:
        """Annotated landmarks (N, K, 2) in image px."""
        return apply_affine(store.to_image[rows], store.points[rows].astype(np.float64))

    def _distances(self, store: CropStore, rows: np.ndarray) -> np.ndarray:
        """(N,) px by which errors are divided, NaN where a point of it is not annotated."""
        return self.scheme.distances(next(iter(self.scheme.normalisers)), self._truth(store, rows), store.box[rows])
