"""What can go wrong with training data."""


class DataError(Exception):
    """Training data cannot be gathered, packed or read; the message says what to do."""

    code = "training_data_invalid"


class HeldOutError(DataError):
    """A clip that is kept for evaluation was given for training."""

    code = "held_out_data"
