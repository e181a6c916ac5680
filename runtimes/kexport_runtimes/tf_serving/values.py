"""Arrays as TF Serving's JSON, and back (tensorflow_serving/g3doc/api_rest.md, util/json_tensor.cc)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kexport_runtimes.tf_serving.errors import ServerError

Arrays = dict[str, NDArray[Any]]

#: What its JSON has no form for (``AddValueToTensor``, ``AddSingleValueAndAdvance``).
NOT_IN_JSON: Final = ("float16", "bfloat16", "uint16")

#: Names that end so hold bytes, which an answer has in base64 (``IsNamedTensorBytes``).
_BYTES: Final = "_bytes"


def request(inputs: Mapping[str, NDArray[Any]], signature: str, *, rows: bool) -> bytes:
    """A request's body: a list of samples (``instances``), or of inputs (``inputs``). Numbers are written so that they are read as the
    same; NaN and infinities as TF Serving reads them."""
    plain = {name: _plain(array) for name, array in inputs.items()}
    if rows:
        body: Any = [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]
    else:
        body = plain
    key = "instances" if rows else "inputs"
    return json.dumps({"signature_name": signature, key: body}, separators=(",", ":")).encode()


def answer(body: bytes, outputs: Mapping[str, str], *, rows: bool) -> Arrays:
    """The arrays of an answer; those of text are of str or, where a name says so, of bytes.

    Args:
        body: the answer.
        outputs: dtypes by name.
        rows: the form of the request, which the answer shares.

    Raises:
        ServerError: it is not such an answer.
    """
    key = "predictions" if rows else "outputs"
    found = parsed(body).get(key)
    if found is None:
        raise garbage(f"has no {key!r}", body)
    if len(outputs) == 1:
        named: Any = {next(iter(outputs)): found}
    elif rows:
        named = _columns(found, outputs, body)
    else:
        named = found
    if not isinstance(named, dict) or set(named) != set(outputs):
        names = ", ".join(map(str, named)) if isinstance(named, dict) else "no names"
        raise ServerError("wrong names", f"The outputs are {', '.join(outputs)}. Received: {names:.200}")
    return {name: _array(name, named[name], dtype, body) for name, dtype in outputs.items()}


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ServerError: it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise garbage("is not JSON", body) from error
    if not isinstance(found, dict):
        raise garbage("is no JSON object", body)
    return found


def garbage(what: str, body: bytes) -> ServerError:
    """An answer that is not what it should be."""
    return ServerError("garbage", f"The answer {what}: {body[:120]!r}")


def _plain(array: NDArray[Any]) -> Any:
    if array.dtype.name in NOT_IN_JSON:
        raise ValueError(f"TF Serving's JSON has no {array.dtype.name}.")
    if array.dtype.kind in "SO":
        return _encoded(array.tolist())
    return array.tolist()


def _encoded(items: Any) -> Any:
    if isinstance(items, list):
        return [_encoded(item) for item in items]
    return {"b64": base64.b64encode(items).decode()} if isinstance(items, bytes) else str(items)


def _columns(found: Any, outputs: Mapping[str, str], body: bytes) -> dict[str, list[Any]]:
    if not isinstance(found, list) or not all(
        isinstance(row, dict) and set(row) == set(outputs) for row in found
    ):
        raise garbage(f"does not hold {', '.join(outputs)} for each sample", body)
    return {name: [row[name] for row in found] for name in outputs}


def _array(name: str, items: Any, dtype: str, body: bytes) -> NDArray[Any]:
    try:
        if dtype == "string":
            return (
                np.asarray(_decoded(items), np.bytes_)
                if name.endswith(_BYTES)
                else np.asarray(items, np.str_)
            )
        return _numbers(items, dtype)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise garbage(f"holds no {dtype} array {name!r} ({error})", body) from error


def _numbers(items: Any, dtype: str) -> NDArray[Any]:
    wanted = np.dtype(dtype)
    # NumPy makes floats of integers of which some are beyond int64 and others are not.
    array = _integers(items) if wanted == np.uint64 else np.asarray(items)
    if array.size and array.dtype.kind not in {"b": "b", "f": "fiu"}.get(wanted.kind, "iu"):
        raise ValueError(f"{array.dtype} in place of {dtype}")
    with np.errstate(over="ignore"):
        cast = array.astype(wanted)
    if wanted.kind in "iu" and not np.array_equal(cast, array):
        raise ValueError(f"numbers that {dtype} does not hold")
    return cast


def _integers(items: Any) -> NDArray[np.uint64]:
    array = np.asarray(items, object)
    if not all(type(item) is int for item in array.reshape(-1)):
        raise ValueError("no integers in place of uint64")
    return array.astype(np.uint64)


def _decoded(items: Any) -> Any:
    if isinstance(items, list):
        return [_decoded(item) for item in items]
    return base64.b64decode(items["b64"], validate=True)
