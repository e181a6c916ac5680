"""The client of TF Serving, on a server of its protocols, and on others that are none."""

from __future__ import annotations

import io
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kexport.ir import Builder, TensorType, Value, dims
from kexport_runtimes.tf_serving import CLIENT, http, stubs, values
from kexport_runtimes.tf_serving.address import Address
from kexport_runtimes.tf_serving.errors import ServerError
from kexport_runtimes.tf_serving.load import percentile
from kexport_runtimes.tf_serving.model import Ports
from kexport_targets.saved_model import TARGET
from support.graphs import graph_of
from support.serving import Behaviour, Server, read_request, socket_server, tf_server

BATCH = dims.symbol("batch")
JSON_DTYPES = (
    *("float32", "float64", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "bool", "string"),
)
HALVES = ("float16", "bfloat16", "uint16")
ONE = Ports({"x": ("float32", (-1,))}, {"y": ("float32", (-1,))})
#: What a float32, in JSON or not, may come back as.
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4028235e38]


@pytest.fixture(name="connect")
def closed_connections() -> Iterator[Any]:
    """``CLIENT.connect``, hung up when the test is over."""
    with ExitStack() as stack:
        yield lambda *arguments, **more: stack.enter_context(closing(CLIENT.connect(*arguments, **more)))


def echo(b: Builder, *inputs: Value) -> dict[str, Value]:
    return {f"{value.name}_back": b.op("identity", value) for value in inputs}


def write(folder: Path, types: dict[str, TensorType], body: Any = echo, **options: Any) -> Path:
    folder.mkdir()
    TARGET.emit(TARGET.legalize(graph_of(types, body), {}), folder, options)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("models")
    shape = (BATCH, 3)
    models = {
        "all": write(root / "all", {kind: TensorType(kind, shape) for kind in JSON_DTYPES}),
        "halves": write(root / "halves", {kind: TensorType(kind, shape) for kind in HALVES}),
        "one": write(
            root / "one", {"x": TensorType("float32", (BATCH,))}, lambda b, x: {"y": b.op("add", x, x)}
        ),
        "photo": write(
            root / "photo",
            {"x": TensorType("float32", (BATCH, 4, 5, 3))},
            lambda b, x: {"y": b.op("add", x, x)},
            signature="images",
        ),
        "blob": write(
            root / "blob",
            {"x": TensorType("string", (BATCH,))},
            lambda b, x: {"y_bytes": b.op("identity", x)},
        ),
    }
    with tf_server(models) as running:
        yield running


def arrays(kinds: tuple[str, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {}
    for kind in kinds:
        if kind in ("float32", "float64"):
            found[kind] = np.array([SPECIAL[:3], SPECIAL[3:]], kind)
        elif kind == "string":
            found[kind] = np.array([["a", "", "ß"], ['"', "\\", "\n"]])
        elif kind == "bool":
            found[kind] = rng.random((2, 3)) < 0.5
        elif kind in ("float16", "bfloat16"):
            found[kind] = np.array(
                [[1, -2.5, np.nan], [np.inf, 0, 0.125]], "f2" if kind == "float16" else "f4"
            )
        else:
            limits = np.iinfo(kind)
            found[kind] = np.array([[limits.min, limits.max, 0], [1, 2, limits.max]], kind)
    return found


def same_ports(kinds: tuple[str, ...]) -> Ports:
    return Ports(
        {kind: (kind, (-1, 3)) for kind in kinds}, {f"{kind}_back": (kind, (-1, 3)) for kind in kinds}
    )


@pytest.mark.parametrize("form", ["row", "column", "grpc"])
def test_every_dtype_comes_back_as_it_was_sent(connect: Any, server: Server, form: str) -> None:
    inputs, ports = arrays(JSON_DTYPES), same_ports(JSON_DTYPES)
    model = connect(server.grpc if form == "grpc" else server.rest, "all")
    outputs = model.predict(inputs, "serving_default", ports, form)
    for kind, array in inputs.items():
        back = outputs[f"{kind}_back"]
        assert back.dtype.kind == array.dtype.kind
        np.testing.assert_array_equal(back, array)
        if array.dtype.kind == "f":
            assert back.tobytes() == array.tobytes()


def test_half_precision_goes_over_grpc_alone(connect: Any, server: Server) -> None:
    inputs, ports = arrays(HALVES), same_ports(HALVES)
    outputs = connect(server.grpc, "halves").predict(inputs, "serve", ports, "grpc")
    for kind, array in inputs.items():
        np.testing.assert_array_equal(outputs[f"{kind}_back"], array)
    with pytest.raises(ValueError, match="JSON has no bfloat16, float16, uint16: ask over gRPC"):
        connect(server.rest, "halves").predict(inputs, "serve", ports, "row")


@pytest.mark.parametrize("form", ["row", "column", "grpc"])
def test_bytes_that_are_no_text(connect: Any, server: Server, form: str) -> None:
    blobs = np.array([b"\x00\xff\xd8", b"{}", b"\xf0"])
    ports = Ports({"x": ("string", (-1,))}, {"y_bytes": ("string", (-1,))})
    model = connect(server.grpc if form == "grpc" else server.rest, "blob")
    np.testing.assert_array_equal(model.predict({"x": blobs}, "serve", ports, form)["y_bytes"], blobs)


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
def test_status_and_metadata(connect: Any, server: Server, scheme: str) -> None:
    model = connect(getattr(server, scheme), "one")
    (state,) = model.states()
    assert (state.version, state.state, state.problem) == (1, "AVAILABLE", "")
    wanted = Ports({"x": ("float32", (-1,))}, {"y": ("float32", (-1,))})
    assert model.signatures() == {"serving_default": wanted, "serve": wanted}


@pytest.mark.parametrize("scheme", ["rest", "grpc"])
def test_what_a_server_refuses_is_said_in_its_words(connect: Any, server: Server, scheme: str) -> None:
    ports = Ports({"x": ("float32", (-1,))}, {"y": ("float32", (-1,))})
    x, form = {"x": np.ones(2, "f4")}, "row" if scheme == "rest" else "grpc"
    address = getattr(server, scheme)
    with pytest.raises(ServerError, match=r"Servable not found for request: Latest\(two\)") as caught:
        connect(address, "two").predict(x, "serve", ports, form)
    assert caught.value.kind in ("HTTP 404", "NOT_FOUND")
    with pytest.raises(ServerError, match="Could not find any versions of model one"):
        connect(address, "one", version=7).states()
    with pytest.raises(ServerError, match='Serving signature name: "train" not found') as caught:
        connect(address, "one").predict(x, "train", ports, form)
    assert caught.value.kind in ("HTTP 400", "INVALID_ARGUMENT")


@pytest.mark.parametrize("form", ["row", "column", "grpc"])
def test_a_load_is_measured(connect: Any, server: Server, form: str) -> None:
    ports = Ports({"x": ("float32", (-1,))}, {"y": ("float32", (-1,))})
    model = connect(server.grpc if form == "grpc" else server.rest, "one")
    answers = []

    def accept(outputs: Any) -> bool:
        answers.append(outputs["y"])
        return len(answers) % 2 == 1

    load = model.load(
        {"x": np.ones(2, "f4")}, "serve", ports, form, concurrency=3, seconds=0.3, accept=accept
    )
    assert all(np.array_equal(answer, [2, 2]) for answer in answers)
    assert load.requests == len(answers) >= 4
    assert load.errors == {"wrong answer": len(answers) // 2}
    assert load.seconds >= 0.3
    assert load.throughput == pytest.approx((len(answers) + 1) // 2 / load.seconds)
    assert 0 < load.fastest <= load.p50 <= load.p90 <= load.p99 <= load.slowest


def test_percentiles_are_times_that_were_measured() -> None:
    times = [float(number) for number in range(1, 101)]
    assert [percentile(times, share) for share in (0.5, 0.9, 0.99)] == [50, 90, 99]
    assert percentile([3.0], 0.99) == 3
    assert percentile([1.0, 2.0], 0.5) == 1
    assert percentile([], 0.5) is None


def test_tensorflow_is_not_imported_for_its_messages(server: Server) -> None:
    program = (
        "import sys, numpy as np; from kexport_runtimes.tf_serving import CLIENT; "
        "model = CLIENT.connect(sys.argv[1], 'one'); ports = model.signatures()['serve']; "
        "assert model.predict({'x': np.ones(1, 'f4')}, 'serve', ports, 'grpc')['y'] == 2; "
        "assert 'tensorflow' not in sys.modules and 'tensorflow.core.framework.tensor_pb2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, server.grpc], check=True)


@pytest.mark.parametrize("form", ["row", "column", "grpc"])
def test_encoded_images(server: Server, connect: Any, form: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    encoded = []
    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        encoded.append(file.getvalue())
    model = connect(server.grpc if form == "grpc" else server.rest, "photo")
    ports = model.signatures()["images"]
    assert ports.inputs == {"x_bytes": ("string", (-1,))}
    outputs = model.predict({"x_bytes": np.array(encoded, object)}, "images", ports, form)
    np.testing.assert_allclose(outputs["y"], pixels.astype("f4") * 2, rtol=1e-6)


# gRPC servers that are up to no good.


@contextmanager
def grpc_server(answer: Callable[[Any], bytes]) -> Iterator[int]:
    """Answers Predict with these bytes."""
    grpc = stubs.grpc()
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: answer(context))
    service = grpc.method_handlers_generic_handler(
        "tensorflow.serving.PredictionService", {"Predict": handler}
    )
    running = grpc.server(ThreadPoolExecutor(2), handlers=[service])
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    try:
        yield port
    finally:
        running.stop(None).wait()


def response(name: str = "y", dtype: int = 1, shape: tuple[int, ...] = (2,), **fields: Any) -> bytes:
    answer = stubs.api("predict_pb2").PredictResponse()
    tensor = answer.outputs[name]
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    for key, value in fields.items():
        if isinstance(value, bytes):
            setattr(tensor, key, value)
        else:
            getattr(tensor, key).extend(value)
    return bytes(answer.SerializeToString())


def refuse(context: Any) -> bytes:
    context.abort(stubs.grpc().StatusCode.RESOURCE_EXHAUSTED, "x" * 5000)
    return b""


def dawdle(context: Any) -> bytes:
    time.sleep(1.5)
    return b""


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuse, "RESOURCE_EXHAUSTED"),
        (dawdle, "timeout"),
        (lambda _: b"\xff\xff\xff", "INTERNAL"),
        (lambda _: b"", "wrong names"),
        (lambda _: response("z", float_val=[1, 2]), "wrong names"),
        (lambda _: response(float_val=[]), "garbage"),
        (lambda _: response(float_val=[1, 2, 3]), "garbage"),
        (lambda _: response(tensor_content=b"\0" * 7), "garbage"),
        (lambda _: response(shape=(1 << 40,), float_val=[0]), "garbage"),
        (lambda _: response(shape=(-2,), float_val=[0, 0]), "garbage"),
        (lambda _: response(dtype=21), "garbage"),
        (lambda _: response(dtype=7, string_val=[b"a"]), "garbage"),
    ],
)
def test_wrong_answers_over_grpc(connect: Any, answer: Any, kind: str) -> None:
    with grpc_server(answer) as port:
        model = connect(f"grpc://127.0.0.1:{port}", "m", timeout=1)
        with pytest.raises(ServerError) as caught:
            model.predict({"x": np.ones(2, "f4")}, "serve", ONE, "grpc")
    assert caught.value.kind == kind
    assert len(str(caught.value)) < 700


def test_the_last_element_stands_for_all_that_follow(connect: Any) -> None:
    with grpc_server(lambda _: response(shape=(4,), float_val=[1, 2])) as port:
        model = connect(f"grpc://127.0.0.1:{port}", "m", timeout=5)
        outputs = model.predict({"x": np.ones(2, "f4")}, "serve", ONE, "grpc")
    np.testing.assert_array_equal(outputs["y"], np.array([1, 2, 2, 2], "f4"))


# Servers that are none.


def asked(behaviour: Behaviour, *, timeout: float = 5.0, ports: Ports = ONE) -> Any:
    with socket_server(behaviour) as port:
        model = CLIENT.connect(f"http://127.0.0.1:{port}", "m", timeout=timeout)
        try:
            return model.predict({"x": np.ones(2, "f4")}, "serve", ports, "column")
        finally:
            model.close()


def reply(*parts: bytes, pause: float = 0.0) -> Behaviour:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)
            if over.wait(pause):
                return

    return behave


def answered(body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), extra)
    return head + body


OUTPUTS = b'{"outputs": [1.5, NaN]}'

WRONG = {
    "HTTP 404": answered(b'{"error": "Servable not found"}', b"404 Not Found"),
    "HTTP 503": answered(b"<html>busy</html>", b"503 Service Unavailable"),
    "HTTP 500": answered(b'{"error": {"deep": 1}}', b"500 Oh"),
    "HTTP 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "redirect": answered(b"", b"302 Found", b"Location: http://169.254.169.254/\r\n"),
    "truncated": b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"outputs":',
    "truncated ": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nabc",
    "disconnected": b"",
    "no HTTP": b"220 smtp.example.org ESMTP\r\n",
    "no HTTP ": b"\x00\xff\xfe" * 100,
    "no HTTP  ": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "no HTTP   ": b"HTTP/1.1 200 OK\r\n" + b"X" * 100_000,
    "truncated  ": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "garbage        ": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{",
    "too large": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "garbage": answered(b"not json"),
    "garbage ": answered(b"[" * 200_000),
    "garbage  ": answered(b'{"predictions": [1]}'),
    "garbage   ": answered(b'{"outputs": [1, [2]]}'),
    "garbage    ": answered(b'{"outputs": ["1", "2"]}'),
    "garbage     ": answered(b'{"outputs": null}'),
    "garbage      ": answered(b"[]"),
    "garbage       ": answered(b'{"outputs": [' + b"9" * 5000 + b"]}"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_answer_has_a_name(kind: str) -> None:
    with pytest.raises(ServerError) as caught:
        asked(reply(WRONG[kind]))
    assert caught.value.kind == kind.rstrip()
    assert len(str(caught.value)) < 700


def test_a_right_answer_in_pieces() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [chunked, *(b"1\r\n%c\r\n" % byte for byte in OUTPUTS), b"0\r\n\r\n"]
    np.testing.assert_array_equal(asked(reply(*parts))["y"], [1.5, np.nan])
    until_the_end = b"HTTP/1.0 200 OK\r\n\r\n" + OUTPUTS
    np.testing.assert_array_equal(asked(reply(until_the_end))["y"], [1.5, np.nan])


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait(60)


@pytest.mark.parametrize(
    "behaviour",
    [
        silent,
        reply(*[b"H"] * 600, pause=0.1),
        reply(b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 90, pause=0.1),
        reply(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n", *[b" "] * 600, pause=0.1),
    ],
    ids=["silence", "status line drips", "headers drip", "body drips"],
)
def test_late_answers_are_not_waited_for(behaviour: Behaviour) -> None:
    start = time.monotonic()
    with pytest.raises(ServerError, match=r"no whole answer within 0\.5 s") as caught:
        asked(behaviour, timeout=0.5)
    assert caught.value.kind == "timeout"
    # A drip a tenth of a second would keep a timeout of each read alone busy for a minute.
    assert time.monotonic() - start < 20


def test_an_endless_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MOST_BYTES", 1 << 20)

    def behave(connection: socket.socket, over: threading.Event) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not over.is_set():
            connection.sendall(b" " * 65536)

    with pytest.raises(ServerError, match="larger than 1 MiB"):
        asked(behave)


def test_nobody_listens(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for scheme, kind in (("http", "refused"), ("grpc", "UNAVAILABLE")):
        with pytest.raises(ServerError) as caught:
            connect(f"{scheme}://127.0.0.1:{port}", "m", timeout=5).states()
        assert caught.value.kind == kind


def test_grpc_with_what_is_no_grpc_server(connect: Any) -> None:
    with socket_server(reply(*[WRONG["HTTP 404"]])) as port, pytest.raises(ServerError) as caught:
        connect(f"grpc://127.0.0.1:{port}", "m", timeout=3).states()
    assert caught.value.kind in ("UNAVAILABLE", "timeout")
    with socket_server(silent) as port, pytest.raises(ServerError) as caught:
        connect(f"grpc://127.0.0.1:{port}", "m", timeout=0.5).states()
    assert caught.value.kind in ("UNAVAILABLE", "timeout")


def test_the_other_port_is_named_where_they_are_taken_for_each_other(connect: Any) -> None:
    settings_frame = b"\x00\x00\x18\x04\x00\x00\x00\x00\x00" + b"\x00" * 24
    with socket_server(reply(settings_frame)) as port, pytest.raises(ServerError, match=r"grpc://.*8500"):
        connect(f"http://127.0.0.1:{port}", "m", timeout=5).states()
    with (
        socket_server(reply(*[WRONG["HTTP 404"]] * 50)) as port,
        pytest.raises(ServerError, match=r"http://.*8501") as caught,
    ):
        connect(f"grpc://127.0.0.1:{port}", "m", timeout=5).states()
    assert caught.value.kind == "UNAVAILABLE"


def test_tls_is_checked(connect: Any) -> None:
    with socket_server(reply(answered(OUTPUTS))) as port, pytest.raises(ServerError) as caught:
        connect(f"https://127.0.0.1:{port}", "m", timeout=3).states()
    assert caught.value.kind in ("TLS", "disconnected", "timeout")
    assert ssl.create_default_context().check_hostname


def test_a_kept_connection_that_the_server_has_closed_is_opened_again(connect: Any) -> None:
    connections = []

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connections.append(read_request(connection))
        connection.sendall(answered(OUTPUTS))

    with socket_server(behave) as port:
        model = connect(f"http://127.0.0.1:{port}", "m", timeout=5, headers={"X-Key": "k"})
        with model.asker({"x": np.ones(2, "f4")}, "serve", ONE, "column") as ask:
            for _ in range(3):
                np.testing.assert_array_equal(ask()()["y"], [1.5, np.nan])
    assert len(connections) == 3
    assert all(b"X-Key: k\r\n" in request for request in connections)


def test_a_load_on_a_server_that_fails_is_counted_and_ends(connect: Any) -> None:
    with socket_server(reply(WRONG["HTTP 503"])) as port:
        model = connect(f"http://127.0.0.1:{port}", "m", timeout=2)
        load = model.load(
            {"x": np.ones(2, "f4")}, "serve", ONE, "row", concurrency=2, seconds=0.3, accept=lambda _: True
        )
    assert set(load.errors) == {"HTTP 503"}
    assert load.requests == load.errors["HTTP 503"] >= 2
    assert (load.throughput, load.p50, load.p99, load.slowest) == (0, None, None, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://localhost", "http://localhost:8501"),
        ("grpc://localhost", "grpc://localhost:8500"),
        ("https://a.example/serving/", "https://a.example:443/serving"),
        ("grpcs://[::1]:5", "grpcs://[::1]:5"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *(
            "localhost:8501",
            "ftp://a",
            "http://",
            "http://a:b",
            "http://a:99999",
            "http://u:p@a",
            "http://a?b=c",
        ),
        *("http://a/\r\nX: y", "http://a b", "grpc://a/path", "http://[::1", ""),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"A server's address is http://HOST:8501"):
        Address.parse(text)


@pytest.mark.parametrize(
    "headers", [{"A": "b\r\nC: d"}, {"": "x"}, {"A b": "c"}, {"A:": "c"}, {"É": "c"}, {"a-bin": "x"}]
)
def test_headers_hold_no_lines(connect: Any, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="A header is NAME: VALUE"):
        connect("http://localhost", "m", headers=headers)


def test_requests_in_both_forms() -> None:
    inputs = {"a": np.array([[1, 2]], "i1"), "b": np.array([b"\xff"])}
    rows = json.loads(values.request(inputs, "s", rows=True))
    assert rows == {"signature_name": "s", "instances": [{"a": [1, 2], "b": {"b64": "/w=="}}]}
    columns = json.loads(values.request(inputs, "s", rows=False))
    assert columns == {"signature_name": "s", "inputs": {"a": [[1, 2]], "b": [{"b64": "/w=="}]}}


def test_answers_of_several_outputs() -> None:
    kinds = {"a": "float32", "b": "int8"}
    found = values.answer(
        b'{"predictions": [{"a": [1], "b": 2}, {"a": [Infinity], "b": -2}]}', kinds, rows=True
    )
    np.testing.assert_array_equal(found["a"], np.array([[1], [np.inf]], "f4"))
    np.testing.assert_array_equal(found["b"], np.array([2, -2], "i1"))
    for body in (
        b'{"outputs": {"a": [1]}}',
        b'{"outputs": [1]}',
        b'{"outputs": {"a": [1], "b": [1], "c": [1]}}',
    ):
        with pytest.raises(ServerError, match="The outputs are a, b"):
            values.answer(body, kinds, rows=False)
    with pytest.raises(ServerError, match="numbers that int8 does not hold"):
        values.answer(b'{"outputs": {"a": [1], "b": [300]}}', kinds, rows=False)
