"""The channel uses whose loss hurts belief propagation most, from the graph of the code alone.

Density evolution for erasures (Richardson and Urbanke 2008, sec. 3.8), run on the code's own graph and not on its ensemble:
x is the probability that a message is erased. With ε_v the probability that the channel erases variable v,

    y_{c→v} = 1 - Π_{v'≠v} (1 - x_{v'→c}),    x_{v→c} = ε_v Π_{c'≠c} y_{c'→v},    p_v = ε_v Π_c y_{c→v}.

J = Σ p_v over the information bits is how many of them stay unknown. Its derivative in ε says what losing a coded bit costs.
"""

from __future__ import annotations

import numpy as np

from sc_sionna.phy.layout import CodedUses
from sc_sionna.phy.ldpc.decoder import CodeGraph

ITERATIONS = 10
TINY = 1e-6  # messages keep this distance from 0 and 1, where their logarithms end
NEAR_FAILURE = 0.9  # of the erasures that an ideal code of the rate corrects: there a lost bit makes a difference
STEPS = 16  # derivatives for one order; between two of them several uses are taken at once


class _Evolution:
    """J and its derivative on one graph."""

    def __init__(self, graph: CodeGraph) -> None:
        self.num_var, self.k, self.var = graph.num_var, graph.k, graph.var
        self.check = np.repeat(np.arange(graph.pcm.shape[0]), np.diff(graph.pcm.indptr))

    def _of_checks(self, edges: np.ndarray) -> np.ndarray:
        """Sum over a check's edges, for each of its edges."""
        return np.bincount(self.check, edges)[self.check]

    def _of_variables(self, edges: np.ndarray) -> np.ndarray:
        """Sum over the edges of each variable."""
        return np.bincount(self.var, edges, self.num_var)

    def unknown(self, erased: np.ndarray) -> tuple[float, np.ndarray]:
        """J and dJ/dε ``[num_var]`` at channel erasure probabilities ``[num_var]``."""
        x, kept = erased[self.var], []
        for _ in range(ITERATIONS):
            x = np.minimum(x, 1 - TINY)
            a = np.log1p(-x)
            y = np.maximum(-np.expm1(self._of_checks(a) - a), TINY)
            log_y = np.log(y)
            total = self._of_variables(log_y)
            kept.append((x, y))
            x = erased[self.var] * np.exp(total[self.var] - log_y)
        posterior = np.exp(total)
        wanted = np.arange(self.num_var) < self.k
        slope = wanted * posterior
        d_total = wanted * posterior * erased
        d_x = np.zeros_like(x)
        for previous, y in reversed(kept):
            pull = d_x * x  # of x in the logarithms of its factors
            of_variable = self._of_variables(pull)
            slope = slope + of_variable / erased
            d_log_y = (d_total + of_variable)[self.var] - pull
            d_q = -d_log_y / y * (1 - y)  # of ln(1 - y), the sum of the check's other logarithms
            d_x = -(self._of_checks(d_q) - d_q) / (1 - previous)
            x, d_total = previous, np.zeros_like(d_total)
        return float((posterior * erased)[: self.k].sum()), slope + self._of_variables(d_x)


def costliest_uses(code: CodedUses, number: int) -> np.ndarray:
    """The ``number`` uses of a code word, counted from its first, whose loss leaves most information bits unknown.

    Greedy: the uses chosen so far are lost, all others are erased with the probability that brings the code near its
    failure, and the next uses are those with the largest first-order rise of J. A bit that several copies carry is lost
    with all of them.
    """
    evolution, variables = _Evolution(code.graph), code.variables
    number = min(number, len(variables))
    limit = NEAR_FAILURE * (1 - code.graph.k / np.unique(variables).size)
    lost = np.zeros(len(variables), bool)
    order: list[int] = []
    while len(order) < number:
        rest = max((limit * len(variables) - len(order)) / (len(variables) - len(order)), TINY)
        of_use = np.where(lost, 1.0, rest)
        of_bit = np.repeat(of_use, variables.shape[1])
        log_erased = np.bincount(variables.ravel(), np.log(of_bit), code.graph.num_var)
        erased = np.exp(log_erased)  # 1 where nothing is sent of a variable
        slope = evolution.unknown(erased)[1]
        rise = ((1 - of_use)[:, None] / of_use[:, None] * (slope * erased)[variables]).sum(axis=1)
        rise[lost] = -np.inf
        step = min(max(1, number // STEPS), number - len(order))
        taken = np.argsort(-rise, kind="stable")[:step]
        lost[taken] = True
        order += taken.tolist()
    return np.array(order)
