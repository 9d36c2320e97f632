"""Errors as sentences and exit codes."""

from client.errors import ClientError
from media.errors import InputError, MediaError, OutputError

FAILED = 1
"""Something that has no code of its own. 2 is a wrong use of the command."""
BAD_INPUT = 3
BAD_OUTPUT = 4
BAD_WEIGHTS = 5
NOT_HERE = 6
"""This machine lacks something: a package, a GPU, memory."""
NO_SERVICE = 7
"""The service does not answer, or says no."""
INTERRUPTED = 130


class UsageError(Exception):
    """Arguments that do not fit together."""


def exit_code_of(error: Exception) -> int:
    """Return the exit code for an error."""
    if isinstance(error, UsageError):
        return 2
    if isinstance(error, InputError):
        return BAD_INPUT
    if isinstance(error, OutputError):
        return BAD_OUTPUT
    if isinstance(error, ClientError):
        return NO_SERVICE
    code = getattr(error, "code", None)
    if code == "weights_invalid":
        return BAD_WEIGHTS
    if code == "geometry_invalid":
        return 2
    if (
        isinstance(error, MediaError)
        or code
        or _is_missing_package(error)
        or is_out_of_memory(error)
    ):
        return NOT_HERE
    return FAILED


def sentence_of(error: Exception) -> str:
    """Return one sentence that says what happened and what to do."""
    if _is_missing_package(error):
        return (
            f"The package '{getattr(error, 'name', '')}' is missing; install the engine with"
            " pip install 'flashvsr-service[engine]'."
        )
    if is_out_of_memory(error):
        return "There is not enough GPU memory for this size; add --tile 512, or less."
    if isinstance(error, UsageError | MediaError | ClientError) or hasattr(error, "code"):
        return f"{str(error).rstrip('.')}."
    lines = str(error).strip().splitlines() or ["no message"]
    return (
        f"Unexpected {type(error).__name__}: {lines[0].rstrip('.')}; set FLASHVSR_TRACEBACK=1 to"
        " see where, and report it."
    )


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a GPU ran out of memory; torch may not be installed at all."""
    return type(error).__name__ == "OutOfMemoryError"


def _is_missing_package(error: Exception) -> bool:
    return isinstance(error, ModuleNotFoundError)
