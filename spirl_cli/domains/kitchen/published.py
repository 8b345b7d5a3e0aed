"""Learning curves of the kitchen that others published, read off their figures ± 0.05; x is environment steps."""

from __future__ import annotations

from spirl_cli.domains.domain import SPIRL_WARMUP_STEPS, PublishedCurve

TASKS = ("microwave", "kettle", "bottom burner", "light switch")
CURVES = (
    PublishedCurve(
        "SPiRL, closed-loop",
        ((150e3, 1.95), (200e3, 2.45), (490e3, 2.77), (1.0e6, 2.90), (1.3e6, 2.94)),
        SPIRL_WARMUP_STEPS,
    ),
    PublishedCurve(
        "SPiRL, open-loop",
        ((0.0, 0.24), (310e3, 1.1), (700e3, 1.8), (1.1e6, 2.75)),
        SPIRL_WARMUP_STEPS,
    ),
    PublishedCurve("SkiMo (model-based)", ((190e3, 3.14), (1.0e6, 3.6))),
    PublishedCurve("SkiMo without joint training", ((190e3, 3.43), (1.0e6, 3.81))),
    PublishedCurve("flat prior", ((1.3e6, 1.05),), SPIRL_WARMUP_STEPS),
    PublishedCurve("skills without prior", ((1.3e6, 0.9),), SPIRL_WARMUP_STEPS),
    PublishedCurve("BC + SAC", ((1.3e6, 0.6),), SPIRL_WARMUP_STEPS),
    PublishedCurve("SAC", ((1.3e6, 0.2),), SPIRL_WARMUP_STEPS),
)
NOTE = (
    "Dashed lines and grey marks: published by others, read off ± 0.05 from curves of training episodes. SPiRL's\n"
    "robot noise is 0.1; its subtasks count in any order in its first version, in order in its code since 2021.\n"
    "The 50,000 warm-up steps that SPiRL and its baselines (grey) leave off the axis are added."
)
