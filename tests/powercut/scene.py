"""One recorded piece of work, and the power cuts in it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.powercut.disk import RecordedDisk, Replay, mounted
from tests.powercut.history import History
from tests.powercut.trial import check, record, restarted

SIZE = 192  # MiB


@dataclass(frozen=True, slots=True)
class Cut:
    """The power goes at the place *at*. *seed* chooses what of the unflushed is on the disk; None: all of it is."""

    at: int
    seed: int | None

    def __str__(self) -> str:
        rest = (
            "everything written" if self.seed is None else f"part of the unflushed written, seed {self.seed}"
        )
        return f"at {self.at}, {rest}"


class Scene:
    """The work of an engine, recorded in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mountpoint = folder / "disk"
        disk = RecordedDisk(folder, self._mountpoint, size=SIZE)
        self._begin = disk.now()
        self._history = History(disk.now)
        try:
            record(self._mountpoint, folder, self._history)
        finally:
            disk.close()
        self._end = max(change.acknowledged or 0 for change in self._history.changes)
        self._replay = Replay(disk.record, disk.size, folder)
        self._number = 0

    def flushes(self) -> Sequence[int]:
        """Return the places in the record at which the disk was flushed while the engine worked."""
        return [place for place in self._replay.flushes() if self._begin < place <= self._end]

    def cut(self, cut: Cut) -> None:
        """Cut the power, not before an earlier cut, and check what is left."""
        self._number += 1
        image = self._folder / f"cut-{self._number}.img"
        dice = None if cut.seed is None else random.Random(cut.seed)
        self._replay.cut(cut.at, dice, image)
        try:
            with (
                mounted(image, self._mountpoint),
                restarted(self._mountpoint, self._folder, self._number) as host,
            ):
                check(host, self._history, cut.at)
        except AssertionError as error:
            raise AssertionError(f"power cut {cut}: {error}") from error
        image.unlink()


def cuts(flushes: Sequence[int], dice: random.Random, wanted: int | None = None) -> Sequence[Cut]:
    """Return cuts in the order of their places: right after each flush, right before it, and between two.

    At most *wanted*, spread over all.
    """
    chosen = []
    for before, after in zip([flushes[0], *flushes], flushes, strict=False):
        chosen.append(Cut(after, None))
        if after - before > 1:
            chosen += [
                Cut(dice.randrange(before + 1, after), seed) for seed in (None, dice.randrange(1 << 30))
            ]
            chosen.append(Cut(after - 1, dice.randrange(1 << 30)))
    if wanted is not None and len(chosen) > wanted:
        chosen = dice.sample(chosen, wanted)
    return sorted(chosen, key=lambda cut: cut.at)
