"""Events of stages that run at once, put in an order that a person can read: one stage after the other. Pure."""

from dataclasses import dataclass, field

from yurt.engine.build.model import BuildEvent, Output, StageEnded, StagesBegun

LIMIT = 2 << 20  # characters of a waiting stage that are kept


@dataclass(slots=True)
class _Held:
    """What a stage said while another had the word."""

    said: list[BuildEvent] = field(default_factory=list)
    size: int = 0
    ended: bool = False

    def take(self, event: Output) -> None:
        if self.size > LIMIT:
            return
        self.size += len(event.text)
        self.said.append(event)
        if self.size > LIMIT:
            self.said.append(Output("\n[more output of this stage is left out]\n", stage=event.stage))


class InOrder:
    """The output of a build, contiguous by stage.

    The first stage that has not ended speaks as it goes; what the others say is held back until it is their turn,
    or until they fail: the build ends then, and its reason is what matters. Other events pass at once.
    """

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}  # the first one has the word

    def __repr__(self) -> str:
        return f"<InOrder {list(self._held)} to come>"

    def take(self, event: BuildEvent) -> tuple[BuildEvent, ...]:
        """Return what is to be told now that *event* happened."""
        match event:
            case StagesBegun(stages=stages):
                self._held = {stage: _Held() for stage in stages}
            case StageEnded(stage=stage, failed=True) if stage in self._held:
                return (*self._held.pop(stage).said, event)
            case StageEnded(stage=stage) if stage in self._held:
                self._held[stage].ended = True
                return (event, *self._next())
            case Output(stage=stage) if stage in self._held and stage != next(iter(self._held)):
                self._held[stage].take(event)
                return ()
        return (event,)

    def _next(self) -> list[BuildEvent]:
        """Give the word to the first stage that goes on; return what was held back up to there."""
        told: list[BuildEvent] = []
        while self._held:
            first = self._held[next(iter(self._held))]
            told += first.said
            first.said = []
            if not first.ended:
                break
            del self._held[next(iter(self._held))]
        return told
