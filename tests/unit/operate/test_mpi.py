"""Who gets which ranks, and what mpiexec is told."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Network

import pytest

from pibramble.errors import UsageError
from pibramble.operate.mpi import Launch, ManualLauncher, Mpich, Share, share_out
from pibramble.plan.model import NodePlan, Plan
from pibramble.plan.resolve import resolve
from pibramble.spec.model import Cluster, ClusterSection, HeadSection, WorkerGroup

WHEEL = Mpich("5.0.2", "ch4:ucx ofi")


def plan(*groups: tuple[str, str]) -> Plan:
    workers = tuple(WorkerGroup(name=name, board=board) for name, board in groups)
    section = ClusterSection(subnet=IPv4Network("10.7.0.0/16"))
    return resolve(Cluster(cluster=section, head=HeadSection(board="pi-4b"), workers=workers))


def counts(shares: Sequence[Share]) -> dict[str, int]:
    return {share.node.name: share.ranks for share in shares}


def nodes(*groups: tuple[str, str]) -> tuple[NodePlan, ...]:
    return plan(*groups).workers


MIXED = (("zero[1-2]", "pi-zero"), ("quad", "pi-zero-2w"))


class TestShares:
    def test_every_core_gets_a_rank(self) -> None:
        shares = share_out(nodes(*MIXED), None, None)
        assert counts(shares) == {"zero1": 1, "zero2": 1, "quad": 4}
        assert [share.rank_names for share in shares] == ["rank 0", "rank 1", "ranks 2-5"]

    def test_fewer_ranks_fill_the_first_nodes_and_leave_the_others_alone(self) -> None:
        assert counts(share_out(nodes(*MIXED), 3, None)) == {"zero1": 1, "zero2": 1, "quad": 1}
        assert counts(share_out(nodes(*MIXED), 1, None)) == {"zero1": 1}

    def test_ranks_a_node_can_be_asked_for(self) -> None:
        assert counts(share_out(nodes(*MIXED), None, 2)) == {"zero1": 2, "zero2": 2, "quad": 2}
        assert counts(share_out(nodes(*MIXED), 3, 2)) == {"zero1": 2, "zero2": 1}

    @pytest.mark.parametrize("ranks", [7, 8, 12, 13, 100])
    def test_more_ranks_than_cores_crowd_all_nodes_alike(self, ranks: int) -> None:
        shares = share_out(nodes(*MIXED), ranks, None)
        assert sum(counts(shares).values()) == ranks
        assert counts(shares)["zero1"] - counts(shares)["zero2"] in {0, 1}
        assert [share.first_rank for share in shares] == [
            sum(list(counts(shares).values())[:place]) for place in range(len(shares))
        ]

    def test_no_rank_at_all_is_no_job(self) -> None:
        with pytest.raises(UsageError):
            share_out(nodes(*MIXED), 0, None)


class TestMpichversion:
    SAID = "MPICH Version:      4.2.1\nMPICH Release date: x\nMPICH Device:       ch3:nemesis\nMPICH CC: gcc\n"

    def test_is_read(self) -> None:
        assert Mpich.read(self.SAID) == Mpich("4.2.1", "ch3:nemesis")

    @pytest.mark.parametrize("said", ["", "sh: 1: mpichversion: not found", "mpirun (Open MPI) 4.1.4"])
    def test_of_something_else_is_none(self, said: str) -> None:
        assert Mpich.read(said) is None


def launch(*groups: tuple[str, str], mpich: Mpich = WHEEL, with_head: bool = False, **more: object) -> Launch:
    cluster = plan(*groups)
    chosen = cluster.nodes if with_head else cluster.workers
    programs = {node.name: '"$HOME/.cache/x/"cpi' for node in chosen}
    defaults: dict[str, object] = {"arguments": (), "environment": {}}
    return Launch(share_out(chosen, None, None), programs, mpich=mpich, **{**defaults, **more})  # type: ignore[arg-type]


def words(command: str) -> list[str]:
    """Split mpiexec's command line as the head's shell does."""
    return shlex.split(command.partition("3<<")[0])


class TestCommand:
    def test_like_nodes_share_one_segment(self) -> None:
        assert words(launch(("zero[1-4]", "pi-zero")).command()) == [
            *["exec", "mpiexec", "-launcher", "manual", "-f", "/proc/self/fd/3"],
            *["-genv", "MPIR_CVAR_CH4_NETMOD", "ofi", "-genv", "FI_PROVIDER", "tcp"],
            *["-n", "4", "-env", "FI_TCP_IFACE", "uplink"],
            *["sh", "-c", 'exec "$0" "$@" </dev/null'],
            "$HOME/.cache/x/cpi",
        ]

    def test_the_head_s_ranks_meet_the_others_on_the_cluster_s_network(self) -> None:
        line = " ".join(words(launch(("zero[1-2]", "pi-zero"), with_head=True).command()))
        assert "-n 4 -env FI_TCP_IFACE bramble " in line
        assert ": -n 2 -env FI_TCP_IFACE uplink " in line

    def test_ucx_is_told_that_the_head_s_bridge_counts(self) -> None:
        command = launch(("zero1", "pi-zero"), with_head=True, mpich=Mpich("4.2.1", "ch4:ucx")).command()
        assert "-env UCX_NET_DEVICES bramble -env UCX_TCP_BRIDGE_ENABLE y" in command
        assert "-env UCX_NET_DEVICES uplink" in command
        assert "NETMOD" not in command

    def test_ch3_needs_to_be_told_nothing(self) -> None:
        command = launch(("zero[1-2]", "pi-zero"), mpich=Mpich("4.2.1", "ch3:nemesis")).command()
        assert "-env " not in command
        assert "-genv " not in command

    def test_what_the_person_sets_wins(self) -> None:
        command = launch(("zero1", "pi-zero"), environment={"FI_TCP_IFACE": "wlan0", "A": "b c;d"}).command()
        assert "-genv FI_TCP_IFACE wlan0 -genv A 'b c;d'" in command
        assert "uplink" not in command

    def test_the_host_file_names_every_node_once(self) -> None:
        command = launch(*MIXED).command()
        assert command.endswith("3<<'END'\nzero1:1\nzero2:1\nquad:4\nEND\n")

    @pytest.mark.parametrize("shell", ["sh", "bash"])
    def test_a_thousand_lines_of_hosts_reach_mpiexec_whole(self, shell: str) -> None:
        many = nodes(("n[1-1000]", "pi-zero"))
        shares = share_out(many, None, None)
        asked = Launch(shares, {node.name: "x" for node in many}, ("a'b", "$HOME", "two words"), WHEEL, {})
        # The real shell and the real here-document; only mpiexec is a stand-in that prints what it gets.
        stand_in = 'mpiexec() { cat "$4"; shift 4; printf "%s\\n" "$@"; }; '
        said = subprocess.run(
            [shell, "-c", stand_in + asked.command().removeprefix("exec ")], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert said[:1000] == [f"n{number}:1" for number in range(1, 1001)]
        assert said[-3:] == ["a'b", "$HOME", "two words"]

    def test_rank_0_alone_reads_standard_input(self) -> None:
        line = words(launch(("zero[1-3]", "pi-zero"), arguments=("a b",)).command('"$HOME/in put"'))
        first, second = " ".join(line).split(" : ")
        assert line[line.index("sh") :][:3] == ["sh", "-c", 'exec "$0" "$@" <"$HOME/in put"']
        assert "-n 1 " in first
        assert second.startswith("-n 2 ")
        assert "/dev/null" in second


class TestManualLauncher:
    SAID = (
        b"HYDRA_LAUNCH: /opt/proxy --control-port head:1 --proxy-id 0 \n"
        b"HYDRA_LAUNCH: /opt/proxy --proxy-id 1 \n"
        b"HYDRA_LAUNCH_END\n"
    )

    @pytest.mark.parametrize("size", [1, 2, 7, 13, 1000])
    def test_takes_its_own_lines_out_however_they_are_cut(self, size: int) -> None:
        said = b"a warning\n" + self.SAID + b"hello\nHYDRA_LAUNCH: not ours any more"
        launcher = ManualLauncher()
        rest = b"".join(launcher.feed(said[at : at + size]) for at in range(0, len(said), size))
        assert rest == b"a warning\nhello\nHYDRA_LAUNCH: not ours any more"
        assert launcher.commands == ("/opt/proxy --control-port head:1 --proxy-id 0", "/opt/proxy --proxy-id 1")
        assert launcher.complete

    def test_an_error_instead_is_passed_on_at_once(self) -> None:
        launcher = ManualLauncher()
        assert launcher.feed(b"mpiexec: no such option") == b"mpiexec: no such option"
        assert not launcher.complete

    def test_what_was_held_back_comes_out_at_the_end(self) -> None:
        launcher = ManualLauncher()
        assert launcher.feed(b"HYDRA_LA") == b""
        assert launcher.rest() == b"HYDRA_LA"
        assert launcher.rest() == b""
