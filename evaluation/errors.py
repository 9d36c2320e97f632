"""What can go wrong in an evaluation."""

from media.errors import InputError


class EvaluationDataError(InputError):
    """The clips cannot be evaluated as they are; the message says what to change."""

    code = "evaluation_data_invalid"


class MetricUnavailableError(Exception):
    """A metric lacks a package, its weights, or a program; the message says which."""

    code = "metric_unavailable"
