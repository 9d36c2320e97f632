"""What can go wrong in training; every message is one sentence that says what to do."""


class TrainingError(Exception):
    """A configuration, a checkpoint or a run folder that training cannot go on with."""

    code = "training_invalid"
