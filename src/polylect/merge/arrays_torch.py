"""Bytes of tensors to float64 arrays and back on a torch device, with the same bits as NumPy gives."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from polylect.errors import MergeError
from polylect.merge.arrays import FLOATS, PIECE, Raw, as_bytes, check_dtype

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["TorchArrays"]


class TorchArrays:
    """Arrays of torch on one device.

    Raises:
        MergeError: torch has no such device, or it lacks float64.
    """

    def __init__(self, device: str) -> None:
        import torch

        self.device = device
        try:
            self._device = torch.device(device)
            torch.zeros(1, dtype=torch.float64, device=self._device)
        except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
            reason = str(error).partition("\n")[0]
            raise MergeError(f"device {device!r}: torch cannot compute in float64 there ({reason}). Use --device cpu.") from error
        self._types = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32, "F64": torch.float64}

    def decode(self, raw: Raw, dtype: str, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return the elements of `raw` as float64 on the device, in `out` if given.

        Raises:
            MergeError: the dtype cannot be merged.
        """
        check_dtype(dtype)
        stored = _wrap(as_bytes(raw).view(f"<i{FLOATS[dtype]}")).to(self._device).view(self._types[dtype])
        return stored.double() if out is None else out.copy_(stored)

    def encode(self, values: torch.Tensor, dtype: str, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return the bytes of `values`, each rounded to nearest even once; what is too large becomes infinite; in `out` if given.

        torch converts float64 to 16 bits by way of float32, which rounds twice. Rounded to odd in the first step, the
        second rounds as if it were the only one (Boldo and Melquiond 2008, Emulation of FMA and correctly rounded sums).

        Raises:
            MergeError: the dtype cannot be merged.
        """
        check_dtype(dtype)
        narrow = values if dtype == "F64" else values.float() if dtype == "F32" else _round_to_odd(values)
        stored = narrow.to(self._types[dtype]).contiguous()
        import torch

        raw: NDArray[np.uint8] = stored.view(torch.uint8).cpu().numpy()
        if out is None:
            return raw
        out[:] = raw
        return out

    def finite(self, values: torch.Tensor) -> bool:
        """Return whether no element is NaN or infinite."""
        return math.isfinite(values.sum().item()) or bool(values.isfinite().all().item())

    def finite_bits(self, raw: Raw, dtype: str) -> bool:
        """Return whether no element of the stored bytes is NaN or infinite."""
        return bool(self.decode(raw, dtype).isfinite().all().item())

    def dot(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """Return the inner product: the sums of pieces of a fixed size, added up."""
        products = a * b
        whole = products.numel() - products.numel() % PIECE
        pieces = products[:whole].reshape(-1, PIECE).sum(dim=1)
        return float((pieces.sum() + products[whole:].sum()).item())

    def asarray(self, values: NDArray[Any]) -> torch.Tensor:
        """Return a NumPy array (float64 or bool) on the device."""
        return _wrap(values).to(self._device)

    def to_numpy(self, values: torch.Tensor) -> NDArray[Any]:
        """Return a tensor as a NumPy array."""
        return values.cpu().numpy()


def _wrap(values: NDArray[Any]) -> torch.Tensor:
    """Wrap the memory of an array, which may be read-only: a tensor made of it is only ever read."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(values)


def _round_to_odd(values: torch.Tensor) -> torch.Tensor:
    """Return float32 values: exact ones as they are, the others cut towards zero with the last bit set."""
    import torch

    single = values.float()
    back = single.double()
    bits = single.view(torch.int32)
    bits -= (back.abs() > values.abs()).int()
    bits |= (back != values).int()
    return single
