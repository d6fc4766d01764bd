"""Link-level simulation of robust semantic communications.

A masked VQ-VAE turns an image into indices of a codebook, a 5G link carries them over a fading channel, and a decoder
performs the task, while an attacker adds semantic noise. ``__all__`` has the names that a user needs for that, in the order
of the chain. Each is imported when it is first asked for, so that ``import sc_sionna`` alone starts no TensorFlow::

    from sc_sionna import LinkSettings, load_scheme
    scheme = load_scheme("masked-vqvae", preset="digits", link=LinkSettings(num_streams=2))

Where each equation of the paper is
-----------------------------------
The paper is Hu et al., arXiv:2206.04011. An entry says what the equation is and which ``module:object`` of this package
computes it; the line that does carries the tag in a comment. "Here" begins what stands in place of the printed equation.

Eq. (1): what is sent, x = f2(f1(s)). Here f2 is not learned: LDPC, modulation.
    ``semantic.codec:SemanticCodec.source``, ``phy.transmitter:Transmitter.__call__``
Eq. (2): what is received, y = H x + n.
    ``phy.air.kernels:_define``, ``phy.link:DigitalLink._propagate``, ``phy.analog_link:AnalogLink._propagate``
Eq. (3): what is decoded, ŝ = g1(g2(y)). Here g2 is not learned: LMMSE, demapper, LDPC decoder.
    ``phy.receiver:Receiver.call``, ``semantic.codec:SemanticCodec.decode``
Eq. (4): semantic noise maximises the task's loss within ‖Δs‖_p ≤ ε.
    ``attacks.objective:Objective.mean_losses``, ``attacks.ball:project``
Eq. (5): the loss, linear around the image.
    ``attacks.objective:Objective.losses_and_gradient``
Eq. (6): one step, the fast gradient sign method. Here sign(0) = 0, so that patches that are not sent stay as they are.
    ``attacks.ball:ascent_direction``
Eq. (7): K steps, each followed by the projection Π_ε.
    ``attacks.source:iterate``
Eq. (8): semantic noise over the air, y = H_t x + n + H_a Δx.
    ``attacks.over_the_air:OverTheAirAttack.__call__``, ``phy.link:DigitalLink._propagate``,
    ``phy.analog_link:AnalogLink.call``
Eq. (9): adversarial training, the weights that minimise the loss under the worst noise.
    ``training.step:make_step``, ``training.loop:Trainer._make_attack``
Eq. (10): the same under the worst perturbation ν of the weights. Here ‖ν‖ = γ‖θ‖ holds for each kernel by itself.
    ``training.step:make_step``, ``training.perturbation:perturbed``
Eq. (11): a feature's index, its nearest vector in the codebook. Here by cosine; the printed
    one is ``codec.codebook.distance=euclidean``.
    ``semantic.codebook:Codebook.encode``
Eq. (12): the codebook's loss: task, codebook, commitment. Here the first term is the loss of the task, whatever
    it is, and moves the codebook's vectors too; by the equation alone it does not, ``codec.codebook.task_trains=false``.
    ``training.losses:task_losses``, ``semantic.codebook:Codebook.losses_of``
Eq. (13): a feature's activation, the mean of its M entries.
    ``semantic.importance:FeatureImportance.scores``, ``experiments.activation:ActivationExperiment._pass``
Eq. (14): a feature's importance, the mean over classes. Here its softmax is times the number of patches, so of mean 1.
    ``semantic.importance:FeatureImportance.table``
Eq. (15): the loss of an importance module, a cross entropy. Here each feature has a ReLU of its own before W.
    ``semantic.importance:FeatureImportance.scores``, ``training.losses:task_losses``
Eq. (16): the task's loss with γ times the mean loss of the importance modules. Here L counts the modules, not the layers.
    ``training.losses:task_losses``
Eq. (17): the features' similarity −‖FᵀF‖. Here the norm is Frobenius', over N.
    ``semantic.similarity:similarity_loss``
Algorithm 1: semantic noise over the air that fits every image. Here with H_a^H for H_a*, and all samples side by side.
    ``attacks.over_the_air:OverTheAirAttack.craft``
Algorithm 2: adversarial training with weight perturbation. Here batch by batch.
    ``training.step:make_step``
Algorithm 3: the stages of training. Here on every batch one after the other, and not in turn by epoch.
    ``training.step:ALGORITHM_3``, ``training.step:make_step``
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sc_sionna.attacks.source import SourceAttack
    from sc_sionna.data import load as load_images
    from sc_sionna.phy.analog_link import AnalogLink
    from sc_sionna.phy.link import DigitalLink
    from sc_sionna.schemes.base import Batch, Scheme
    from sc_sionna.schemes.load import load_scheme
    from sc_sionna.semantic.codec import SemanticCodec
    from sc_sionna.settings import CodecSettings, LinkSettings
    from sc_sionna.sweep import Point, StopRule, run_sweep
    from sc_sionna.tasks import Task

# Before anything imports TensorFlow: its start-up messages are not the user's. A value set by the user stays.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  in the order of the chain
    "load_images",
    "load_scheme",
    "LinkSettings",
    "CodecSettings",
    "Batch",
    "Scheme",
    "Task",
    "SemanticCodec",
    "DigitalLink",
    "AnalogLink",
    "SourceAttack",
    "run_sweep",
    "Point",
    "StopRule",
]

# The module of each name, and the name that it has there
_PUBLIC = {
    "load_images": ("data", "load"),
    "load_scheme": ("schemes.load", "load_scheme"),
    "LinkSettings": ("settings", "LinkSettings"),
    "CodecSettings": ("settings", "CodecSettings"),
    "Batch": ("schemes.base", "Batch"),
    "Scheme": ("schemes.base", "Scheme"),
    "Task": ("tasks", "Task"),
    "SemanticCodec": ("semantic.codec", "SemanticCodec"),
    "DigitalLink": ("phy.link", "DigitalLink"),
    "AnalogLink": ("phy.analog_link", "AnalogLink"),
    "SourceAttack": ("attacks.source", "SourceAttack"),
    "run_sweep": ("sweep", "run_sweep"),
    "Point": ("sweep", "Point"),
    "StopRule": ("sweep", "StopRule"),
}
_WITHOUT_KERAS = ("data", "settings", "sweep")


def __getattr__(name: str) -> Any:
    """A public name, imported now and kept."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, original = _PUBLIC[name]
    if module not in _WITHOUT_KERAS:
        import_module(f"{__name__}.core.startup").start_backend()  # its first words are not the user's either
    value = getattr(import_module(f"{__name__}.{module}"), original)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
