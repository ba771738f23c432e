"""Can any variant run this stream?  How a stream is passed to the C, and what the C rejects."""

from __future__ import annotations

import ctypes as c
from typing import TYPE_CHECKING

from iova_variants import native
from iova_variants._variant import load

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream


def check(stream: OpStream) -> None:
    """Raise `StreamError` if no variant could run ``stream``; the message names the op."""
    variant = load("null")
    result = native.Result()
    if variant.library.replay_check(native_stream(stream), c.byref(result)):
        raise_stream_error(stream, result)


def native_stream(stream: OpStream) -> native.Stream:
    """``struct replay_stream``; lives no longer than ``stream``."""
    return native.Stream(
        stream.ops.ctypes.data,
        len(stream.ops),
        *(stream.nr_ageing, stream.nr_slots, stream.nr_domains, stream.granule, stream.start_pfn),
    )


def raise_stream_error(stream: OpStream, result: native.Result) -> None:
    """Say which op is impossible, with its fields."""
    from iova_variants.opstream import StreamError

    text = result.error.decode()
    if result.error_op < len(stream.ops):
        fields = zip(stream.ops.dtype.names or (), stream.ops[result.error_op].item(), strict=True)
        shown = ", ".join(f"{name} {value}" for name, value in fields if name != "zero")
        raise StreamError(f"{text} ({shown})", result.error_op)
    raise StreamError(text)
