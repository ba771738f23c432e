"""With which probability does a check by random draws miss a fault?"""

from __future__ import annotations


def missed(rarity: float, nr: int) -> float:
    """Probability that none of ``nr`` draws shows a fault that a share ``rarity`` of them shows."""
    return float((1 - rarity) ** nr)


def bound(nr: int) -> float:
    """Share that is excluded with 95 % confidence if none of ``nr`` draws showed a fault."""
    return float(1 - 0.05 ** (1 / nr)) if nr else 1.0


def words(nr: int) -> str:
    """Both for so many histories, in one line."""
    if not nr:
        return "no history was drawn: no fault is excluded"
    return (
        f"a fault that 1 in 1,000 histories shows is missed with probability "
        f"{missed(1e-3, nr):.2g}; at 95 %, fewer than 1 in {1 / bound(nr):,.0f} show one"
    )
