"""What can go wrong for a user, and how a command ends.

    ShortlistError
    ├── ConfigError      the run file is wrong: fix the key it names      exit code 2
    ├── DataError        the input files are wrong: fix the file it names  exit code 2
    ├── ArtifactError    an artifact is missing or damaged: make it again  exit code 2
    ├── TrainingError    the loss is no number: change what it names       exit code 2
    ├── RunnerError      Beam's runner did not do the job: mend, run again exit code 2
    ├── SkewError        the exported model answers unlike the trained one exit code 3
    └── DriftError       the data moved further than allowed: look into it exit code 3

Each carries one sentence that says what is wrong, where, the value, the rule and what to do.
Anything else that escapes a command is a defect of ours and keeps its traceback.
"""

from __future__ import annotations


class ShortlistError(Exception):
    """Base of every error that a user can act on."""

    exit_code = 2


class ConfigError(ShortlistError):
    """A run file, or a value in it, breaks a rule."""


class DataError(ShortlistError):
    """An input file is missing, unreadable, empty or holds what it must not."""


class ArtifactError(ShortlistError):
    """An artifact that a step needs is missing, incomplete or of another kind."""


class TrainingError(ShortlistError):
    """Training diverged."""


class RunnerError(ShortlistError):
    """The runner of the Beam job cannot be reached, or gave the job up."""


class SkewError(ShortlistError):
    """The exported model does not answer as the trained model did: nothing is published."""

    exit_code = 3


class DriftError(ShortlistError):
    """Prepared data lies further from another than its limits allow."""

    exit_code = 3
