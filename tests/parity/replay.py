"""Look at what differs, while working on it: `python -m tests.parity.replay SOCKET [NOUN[/SCENARIO]…]`."""

import sys
from collections.abc import Iterator, Sequence

from tests.parity import cases, compare, record
from tests.parity.cases import Scenario
from tests.parity.compare import Difference
from tests.parity.play import Player


def differences(player: Player, scenario: Scenario) -> Iterator[Difference]:
    """Play *scenario* and yield what is not as it was recorded."""
    recorded = record.read(scenario.noun).get(scenario.name, {})
    answers = player.play(scenario)
    for name, step in scenario.cases():
        if name not in recorded:
            raise AssertionError(
                f"{scenario.id}: {name} is not recorded: run scripts/record-parity {scenario.noun}"
            )
        yield from compare.compare(step.endpoint, f"{scenario.id}/{name}", recorded[name], answers[name])


def main(sock: str, chosen: Sequence[str]) -> None:
    player, known = Player(sock), compare.known()
    for noun in cases.nouns():
        for scenario in cases.load(noun):
            if chosen and not any(scenario.id.startswith(text) for text in chosen):
                continue
            try:
                for found in differences(player, scenario):
                    if not any(entry.covers(found) for entry in known):
                        print(found)
            except AssertionError as error:
                print(error)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
