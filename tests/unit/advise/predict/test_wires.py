"""How long a message takes between two workers."""

from __future__ import annotations

import attrs
import pytest

from pibramble.advise.predict.calibration import Calibration, Curve, Sample, Traffic
from pibramble.advise.predict.wires import ENVELOPE_BYTES, wires
from pibramble.errors import PibrambleError
from pibramble.spec.model import Link
from tests.unit.advise.predict.clusters import SERIAL, USB, boards, one_way_s, plan


def curve(*points: tuple[int, float]) -> Curve:
    return tuple(Sample(size, seconds, seconds, 1) for size, seconds in points)


def test_a_large_message_is_as_fast_as_the_wire_less_the_headers() -> None:
    seconds = one_way_s(boards(*USB), "zero1", "zero2", 1 << 20)
    assert (1 << 20) * 8 / seconds == pytest.approx(90e6 * 1448 / 1514, rel=0.01)


def test_a_small_message_on_a_serial_line_pays_for_its_headers_and_is_passed_on_whole() -> None:
    # 1 byte of data and MPI's 16 in 60 bytes of headers, twice at 92,160 bytes a second.
    assert one_way_s(boards(*SERIAL), "ser1", "ser2", 1) == pytest.approx(2 * 77 / 92_160)


def test_a_packet_is_passed_on_when_it_is_whole() -> None:
    modelled = boards(*SERIAL)
    packet = one_way_s(modelled, "ser1", "ser2", 1448 - ENVELOPE_BYTES)
    assert packet == pytest.approx(2 * 1508 / 92_160)
    # The second wire carries the first packet while the first wire carries the second one.
    assert one_way_s(modelled, "ser1", "ser2", 2 * 1448 - ENVELOPE_BYTES) == pytest.approx(1.5 * packet)


def test_what_was_measured_is_predicted_for_every_measured_size() -> None:
    measured = curve((1, 0.0004), (1024, 0.0007), (16_384, 0.0009), (262_144, 0.024), (1 << 20, 0.094))
    modelled = wires(plan(*USB), Calibration("run", exchange={(Link.USB, Link.USB): measured}))
    assert modelled.measured == {Link.USB}
    for sample in measured:
        assert one_way_s(modelled, "zero3", "zero4", sample.size_bytes) == pytest.approx(sample.median_s), sample


def test_a_measurement_of_another_kind_of_wire_changes_nothing() -> None:
    other = Calibration("run", exchange={(Link.SERIAL, Link.SERIAL): curve((1, 0.001), (1000, 0.02))})
    assert wires(plan(*USB), other) == boards(*USB)


def test_the_slowest_wire_in_use_decides_how_times_depend_on_size() -> None:
    both = boards(*USB, *SERIAL)
    assert both.steps_for([Link.USB, Link.SERIAL]) == boards(*SERIAL).steps[Link.SERIAL]
    assert both.steps_for([Link.USB]) == boards(*USB).steps[Link.USB]


def test_messages_that_only_go_to_and_fro_are_predicted_from_such() -> None:
    both, to_and_fro = curve((1, 0.002), (1 << 20, 0.1)), curve((1, 0.001), (1 << 20, 0.05))
    measured = Calibration("run", ping_pong={(Link.USB, Link.USB): to_and_fro}, exchange={(Link.USB, Link.USB): both})
    for traffic, seconds in ((Traffic.BOTH_WAYS, 0.1), (Traffic.ONE_WAY, 0.05)):
        modelled = wires(plan(*USB), measured, traffic=traffic)
        assert one_way_s(modelled, "zero1", "zero2", 1 << 20) == pytest.approx(seconds)


def test_a_disturbed_measurement_still_gives_a_speed() -> None:
    measured = curve((1, 0.0004), (262_144, 0.1), (1 << 20, 0.09))
    modelled = wires(plan(*USB), Calibration("run", exchange={(Link.USB, Link.USB): measured}))
    assert one_way_s(modelled, "zero1", "zero2", 1 << 20) == pytest.approx(0.09, rel=0.01)


def test_a_wire_that_carries_nothing_is_refused_by_name() -> None:
    sound = plan(*USB)
    link = sound.workers[0].link
    assert link is not None
    dead = attrs.evolve(sound.workers[0], link=attrs.evolve(link, to_head_bps=0))
    with pytest.raises(PibrambleError, match="zero1"):
        wires(attrs.evolve(sound, workers=(dead, *sound.workers[1:])), Calibration())
