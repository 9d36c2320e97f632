"""Everything that can go wrong between a media file and its frames, as one tree of errors."""

from __future__ import annotations


class MediaError(Exception):
    """A file could not be read or written; the message is one sentence that says what to do.

    `code` names the kind of error in snake_case and never changes between releases.
    """

    code = "media_error"


class InputError(MediaError):
    """The input cannot be used."""

    code = "input_error"


class InputMissingError(InputError):
    """There is no such file or folder, or it may not be read."""

    code = "input_missing"


class NotAVideoError(InputError):
    """The content is not a video or an image: empty, text, damaged."""

    code = "not_a_video"


class FormatNotAllowedError(InputError):
    """The content is a format that is refused, such as a playlist that names other files."""

    code = "format_not_allowed"


class NoVideoStreamError(InputError):
    """The file holds no picture: sound only, or a video stream without frames."""

    code = "no_video_stream"


class TooLargeError(InputError):
    """The file is beyond a limit: bytes, pixels, duration, or the work needed to look at it."""

    code = "too_large"


class AlphaNotSupportedError(InputError):
    """The picture has transparency."""

    code = "alpha_not_supported"


class ColorNotSupportedError(InputError):
    """The colour matrix is one that cannot be converted to RGB and back exactly."""

    code = "color_not_supported"


class RotationNotSupportedError(InputError):
    """The picture is rotated by an angle that is not a multiple of 90 degrees."""

    code = "rotation_not_supported"


class TruncatedError(InputError):
    """The file ends before the end that its header promises."""

    code = "truncated"


class DecodeError(InputError):
    """A frame in the middle of the file is damaged."""

    code = "decode_failed"


class TimestampError(InputError):
    """Timestamps jump back, so that frames cannot be put in order."""

    code = "timestamps_broken"


class SizeChangedError(InputError):
    """Frames, or the images of a folder, differ in size."""

    code = "size_changed"


class HardwareNotAvailableError(MediaError):
    """A hardware decoder was asked for by name and this machine has none for the codec."""

    code = "hardware_not_available"


class ProbeToolMissingError(MediaError):
    """The ffprobe program is not installed."""

    code = "probe_tool_missing"


class OutputError(MediaError):
    """The output cannot be written."""

    code = "output_error"


class OutputNotWritableError(OutputError):
    """The output's folder is missing or read-only, or the output is the input itself."""

    code = "output_not_writable"


class OutputFormatError(OutputError):
    """The output's name ends in something that this project does not write."""

    code = "output_format_unknown"


class OutputFullError(OutputError):
    """The disk filled up, or a file-size limit was reached, while writing."""

    code = "output_full"


class StreamNotSupportedByContainerError(OutputError):
    """The output container cannot hold a sound or subtitle stream of the source."""

    code = "stream_not_supported_by_container"


class EncodingNotSupportedError(OutputError):
    """Codec, bit depth, size and container do not go together."""

    code = "encoding_not_supported"


class EncoderNotAvailableError(OutputError):
    """The encoder does not exist here, or did not open."""

    code = "encoder_not_available"


class EncodeError(OutputError):
    """The encoder or the container refused what was written."""

    code = "encode_failed"
