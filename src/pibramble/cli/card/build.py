"""`pibramble card build`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pibramble.cli.card.common import megabytes, store, with_cards
from pibramble.cli.context import Context, print_json
from pibramble.cli.tables import show_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pibramble.cards.base import Base
    from pibramble.cards.build import Built
    from pibramble.cards.imagebase import UserImage
    from pibramble.cards.mpich import Source
    from pibramble.cards.recipe import Recipe
    from pibramble.plan.model import NodePlan
    from pibramble.progress import Progress


@click.command()
@click.argument("nodes", required=False)
@click.option("--mirror", default="", help="The Debian mirror to use. Default: the one of this machine's apt sources.")
@click.option("--anew", is_flag=True, help="Make the cards again, also those that are up to date.")
@click.option("--anew-bases", is_flag=True, help="Make the base systems again, from what the mirror has today.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_obj
def command(  # noqa: PLR0913 (the words of the command line)
    context: Context, *, nodes: str | None, mirror: str, anew: bool, anew_bases: bool, as_json: bool
) -> None:
    """Make the cards of NODES (such as zero[1-3]; default: all), reusing what is there.

    A base system is made once for all boards of a kind, from Debian's packages or from the image that the cluster file
    names, in some minutes, and kept in the cache folder (PIBRAMBLE_CACHE). A card is then what differs, made in a
    moment. Nothing here needs root.
    """
    from pibramble.cards import base, imagebase, parallel, recipe
    from pibramble.cards.build import Builder

    chosen = _chosen(context, nodes)
    for remark in dict.fromkeys(remark for node in chosen if not node.image for remark in recipe.remarks(node)):
        _say(remark)
    source, images = _mpich(context), _images(context, chosen)
    recipes = {node.name: recipe.recipe_for(context.plan, node, source) for node in chosen if node.name not in images}
    different = {wanted.key: wanted for wanted in recipes.values()}
    reused = set() if anew_bases else _there(different, set(images.values()))
    if mirror and (unasked := sorted(reused & different.keys())):
        _say(f"--mirror {mirror} is not asked for {', '.join(unasked)}: there already (--anew-bases makes it again)")
    # The keys are made first: whoever cannot have them learns so before the minutes that a base takes.
    builder = Builder(context.plan, context.keyring, store(context))

    def make(wanted: Recipe, progress: Progress) -> Base:
        made = base.ensure(wanted, progress, mirror_address=mirror, source=source, anew=anew_bases)
        _check_alike(context, source, images)
        return made

    works = [partial(make, wanted) for wanted in different.values()]
    debian = parallel.run(works, context.progress, at_once=base.at_once(len(different.keys() - reused)))
    bases = dict(zip(different, debian, strict=True))
    from_images: dict[UserImage, Base] = {}
    for image in dict.fromkeys(images.values()):
        same = [node for node in chosen if images.get(node.name) == image]
        again = anew_bases and not any(key.endswith(f"-{image.suffix}") for key in bases)  # else: the same in two files
        made = from_images[image] = imagebase.ensure(image, same, context.progress, anew=again)
        bases[made.key] = made
        _check_alike(context, source, images)

    def base_of(node: NodePlan) -> Base:
        return from_images[images[node.name]] if node.name in images else bases[recipes[node.name].key]

    built = builder.build(chosen, base_of, context.progress, anew=anew)
    if as_json:
        print_json(built)
        return
    for remark in _remarks(built, chosen, bases):
        _say(remark)
    for made in bases.values():
        if made.remarks:  # each time: a base without security updates is not to be forgotten
            _say(_remark(made, reused=made.key in reused))
    _show(built, list(bases.values()), reused)


def _there(keys: Iterable[str], images: Iterable[UserImage]) -> set[str]:
    """Return the keys of the bases that are in the cache already."""
    from pibramble.cards import base

    made = {key for key in keys if base.load(key) is not None}
    return made | {found.key for image in images if (found := image.base()) is not None}


def _say(text: str) -> None:
    click.echo(f"pibramble: {text}", err=True)


def _mpich(context: Context) -> Source | None:
    """Return the MPICH that the cluster file names instead of Debian's."""
    from pibramble.cards import mpich

    file = context.cluster_file
    named = file.cluster.mpi.source
    return mpich.read(file.path.parent / named, file.locate("mpi", "source")) if named else None


def _check_alike(context: Context, source: Source | None, images: Mapping[str, UserImage]) -> None:
    """Compare the bases of all nodes that have one in the cache, not only of those that are built now.

    Images are left out that nobody has read: those of nodes that are not built now. Raises PibrambleError.
    """
    from pibramble.cards import alike, base, recipe

    cards = [node for node in context.plan.nodes if node.board.firmware and not node.image]
    keys = {node.name: recipe.recipe_for(context.plan, node, source).key for node in cards}
    debian = {key: base.load(key) for key in set(keys.values())}
    own = {image: image.base() for image in set(images.values())}
    made = {name: debian[key] for name, key in keys.items()} | {name: own[image] for name, image in images.items()}
    alike.check({name: found for name, found in made.items() if found is not None})


def _images(context: Context, nodes: Sequence[NodePlan]) -> dict[str, UserImage]:
    """Return the images that these nodes' cards are made from, by node; each file is read once."""
    import attrs

    from pibramble.cards import imagebase, recipe

    folder = context.cluster_file.path.parent
    named = {node.name: folder / Path(node.image).expanduser() for node in nodes if node.image}
    read = {path: imagebase.read(path, context.progress) for path in dict.fromkeys(named.values())}
    # An engine is not among what images are completed with, which `check` says (spec/rules/containers.py).
    more = {
        node.name: tuple(name for name in recipe.additions(context.plan, node) if name != "containers")
        for node in nodes
    }
    return {node: attrs.evolve(read[path], more=more[node]) for node, path in named.items()}


def _remarks(built: Sequence[Built], nodes: Sequence[NodePlan], bases: Mapping[str, Base]) -> list[str]:
    from pibramble.cards import imagebase
    from pibramble.plan.model import Role

    pairs = [
        (bases[card.base], node) for card, node in zip(built, nodes, strict=True) if node.image and card.base in bases
    ]
    return [
        remark for made, node in pairs for remark in imagebase.remarks(made, node.name, head=node.role is Role.HEAD)
    ]


def _remark(made: Base, *, reused: bool) -> str:
    """Return what its mirror lacked when it was made, in one line; the reasons only on that day."""
    lacks = "; ".join(remark.partition(": ")[0] if reused else remark for remark in made.remarks)
    return f"{made.key}: {lacks}. On another day `pibramble card build --anew-bases` may make a better one"


def _chosen(context: Context, nodes: str | None) -> list[NodePlan]:
    from pibramble.operate.nodeset import select

    if nodes is not None:
        return with_cards(context, select(context.plan, nodes, None))
    return with_cards(context, [node.name for node in context.plan.nodes if node.board.firmware])


def _show(built: Sequence[Built], bases: Sequence[Base], reused: set[str]) -> None:
    rows = [
        (
            made.key,
            "there already" if made.key in reused else f"made in {_duration(made.seconds)}",
            f"{len(made.packages)}",
            made.mpich or "-",
            megabytes(made.stored_bytes),
        )
        for made in bases
    ]
    show_table(("BASE", "STATE", "PACKAGES", "MPICH", "STORED"), rows)
    click.echo()
    show_table(
        ("NODE", "CARD", "SIZE", "STORED", "BASE"),
        [
            (
                card.node,
                "was up to date" if card.reused else f"made in {_duration(card.seconds)}",
                megabytes(card.size_bytes),
                megabytes(card.stored_bytes),
                card.base,
            )
            for card in built
        ],
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{rest:.2g} s"
