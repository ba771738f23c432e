"""How does a genome come about?  From nothing, by a few changes, or as a plainer one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from iova_lab.checking.worst.genome import KINDS, Gene, Genome

_WEIGHTS = (3.0, 2.0, 2.0, 3.0, 0.5)
STARTS = (1, 1, 1, 0, 0x100)
#: CPUs that requests are made on, where an rcache is in front of the variant.
NR_CPUS = 3
MOST_GENES = 8


def _size(rng: Random) -> int:
    kind = rng.random()
    if kind < 0.65:
        return rng.randint(1, 8)
    power = 1 << rng.randint(0, 20)
    return power if kind < 0.85 else max(power + rng.choice((-1, 1)), 1)


def _bits(rng: Random) -> int:
    kind = rng.random()
    if kind < 0.35:
        return 32
    return rng.choice((24, 40, 48, 64)) if kind < 0.6 else rng.randint(16, 64)


def _part(rng: Random) -> float:
    """A share of a row; the last is the golden section, whose multiples are spread evenly."""
    return 0.0 if rng.random() < 0.6 else rng.choice((0.1, 0.25, 0.5, 0.75, 0.9, 0.618))


_Draw = Callable[[Random], Any]
_FIELDS: dict[str, _Draw] = {
    "share": lambda rng: rng.choice((0.25, 0.5, 1.0, 1.0)),
    "times": lambda rng: rng.choice((1, 2, 4, 10, 40)),
    "size": _size,
    "other": _size,
    "bits": _bits,
    "below": lambda rng: (
        0 if rng.random() < 0.6 else rng.choice((1, 2, 3, rng.randint(1, 40), 1000))
    ),
    "depth": lambda rng: 0.0 if rng.random() < 0.6 else rng.choice((0.25, 0.5, 1.0, 2.0, 4.0)),
    "aligned": lambda rng: rng.random() < 0.5,
    "first": lambda rng: rng.choice((0, 0, 1, -1, rng.randint(0, 50))),
    "stride": lambda rng: rng.choice((1, 1, 2, 2, 3, 5, 7, 37, 61, -1, -1, -2)),
    "at": _part,
    "step": _part,
    "per_range": lambda rng: 0.0 if rng.random() < 0.7 else rng.choice((0.25, 0.5, 1.0)),
}
#: What matters only to an rcache.
_CACHED_FIELDS: dict[str, _Draw] = {
    "cpu": lambda rng: rng.randrange(NR_CPUS),
    "free_cpu": lambda rng: rng.randrange(NR_CPUS),
    "past": lambda rng: rng.random() < 0.2,
}


def _fields(cached: bool) -> dict[str, _Draw]:
    return _FIELDS | _CACHED_FIELDS if cached else _FIELDS


def random_gene(rng: Random, cached: bool = False) -> Gene:
    """Any gene; two sizes are equal as often as not, and so are limits of 32 bits common."""
    (kind,) = rng.choices(KINDS, _WEIGHTS)
    gene = Gene(kind, **{name: draw(rng) for name, draw in _fields(cached).items()})
    return gene._replace(other=gene.size) if rng.random() < 0.6 else gene


def random_genome(rng: Random, cached: bool = False) -> Genome:
    """A fill, and a few genes more, in a quarter of all with equal requests.

    ``cached``: an rcache sees them.
    """
    genes = [random_gene(rng, cached)._replace(kind="fill", share=1.0)]
    genes += [random_gene(rng, cached) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.25:
        genes = [_alike(gene, genes[0]) for gene in genes]
    return Genome(tuple(genes), rng.choice(STARTS))


def mutated(genome: Genome, mate: Genome, rng: Random, cached: bool = False) -> Genome:
    """One to three changes; ``mate`` lends genes."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        genome = _mutated_once(genome, mate, rng, cached)
    return genome


def _mutated_once(genome: Genome, mate: Genome, rng: Random, cached: bool) -> Genome:
    genes = list(genome.genes)
    at = rng.randrange(len(genes))
    way = rng.random()
    if way < 0.5:
        fields = _fields(cached)
        name = rng.choice(list(fields))
        genes[at] = genes[at]._replace(**{name: fields[name](rng)})
    elif way < 0.57:
        genes[at] = _alike(genes[at], rng.choice(genes))
    elif way < 0.6:
        genes = [_alike(gene, genes[at]) for gene in genes]
    elif way < 0.7:
        genes.insert(rng.randint(0, len(genes)), random_gene(rng, cached))
    elif way < 0.78 and len(genes) > 1:
        del genes[at]
    elif way < 0.84:
        genes.insert(at, genes[at])
    elif way < 0.89:
        other = rng.randrange(len(genes))
        genes[at], genes[other] = genes[other], genes[at]
    elif way < 0.97:
        genes = genes[: at + 1] + list(mate.genes[rng.randrange(len(mate.genes)) :])
    else:
        return replace(genome, start_pfn=rng.choice(STARTS))
    return replace(genome, genes=tuple(genes[:MOST_GENES]))


def _alike(gene: Gene, other: Gene) -> Gene:
    """The same request as another gene makes."""
    request = ("size", "other", "bits", "aligned", "below")
    return gene._replace(**{name: getattr(other, name) for name in request})


def simpler(genome: Genome) -> list[Genome]:
    """Recipes that are one step plainer, the plainest first."""
    genes = genome.genes
    found = [
        replace(genome, genes=genes[:at] + genes[at + 1 :])
        for at in range(len(genes))
        if len(genes) > 1
    ]
    if genome.start_pfn != 1:
        found.append(replace(genome, start_pfn=1))
    for at, gene in enumerate(genes):
        found += [
            replace(genome, genes=(*genes[:at], change, *genes[at + 1 :]))
            for change in _plainer(gene)
        ]
    return found


#: Fields that a gene is made plainer by, with what they become; the others have steps of their own.
_PLAIN = {
    name: value
    for name, value in Gene._field_defaults.items()
    if name not in ("share", "size", "other", "bits")
}


def _plainer(gene: Gene) -> list[Gene]:
    """The same gene with one field as plain as it gets."""
    changes = [
        gene._replace(**{name: plain})
        for name, plain in _PLAIN.items()
        if getattr(gene, name) != plain
    ]
    if gene.other != gene.size:
        changes.append(gene._replace(other=gene.size))
    changes += [
        gene._replace(size=size, other=size if gene.other == gene.size else gene.other)
        for size in (1, 2, 3, gene.size // 2)
        if 0 < size < gene.size
    ]
    changes += [gene._replace(bits=bits) for bits in (48, 32) if gene.bits not in (48, 32, bits)]
    return [change for change in changes if change != gene]
