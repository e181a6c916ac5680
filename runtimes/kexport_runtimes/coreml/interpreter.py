"""Computes functions of a program, operation by operation.

A function is prepared once: kernels are looked up, names are held against the blocks they are defined in, and the last
use of each value is noted, so that it is let go after it. Constants are read when they are first used, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kexport_runtimes.coreml import heavy, ops, registry
from kexport_runtimes.coreml.constants import ConstantReader
from kexport_runtimes.coreml.errors import ComputeError, PackageError
from kexport_runtimes.coreml.program import Block, Constant, Function, Operation
from kexport_runtimes.coreml.registry import Call, Entry
from kexport_runtimes.coreml.scopes import Scope, last_uses
from kexport_runtimes.coreml.values import rounded, settled
from kexport_runtimes.coreml.weights import WeightFiles

ops.load()

#: What NumPy raises where an operation's arguments don't fit one another.
_UNFIT = (ValueError, IndexError, KeyError, TypeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class Options:
    """How to compute.

    Attributes:
        rounds: whether each result that is declared fp16 is rounded to fp16; otherwise only constants have been.
        accelerate: whether ONNX Runtime, where it is installed, computes the heavy operations.
        threads: how many of it compute.
    """

    rounds: bool = True
    accelerate: bool = True
    threads: int = 1


@dataclass
class _Step:
    """An operation, prepared. ``kept`` are the results of one that computes the same in every run."""

    operation: Operation
    compute: Entry | None
    arguments: Mapping[str, tuple[str | Constant, ...]]
    call: Call
    is_constant: bool
    releases: list[str] = field(default_factory=list)
    kept: tuple[Any, ...] | None = None


class Interpreter:
    """One function, ready to run.

    Args:
        function: of a program.
        weights: the files its constants lie in.
        options: how to compute.

    Raises:
        PackageError: a name is used before it is defined, or defined twice; an operation is unknown or has wrong arguments.
    """

    def __init__(self, function: Function, weights: WeightFiles, options: Options) -> None:
        self._function = function
        self._constants = ConstantReader(weights)
        self._options = options
        self._to_half = heavy.rounded if options.accelerate else rounded
        self._steps: dict[int, list[_Step]] = {}
        self._prepare(function.block, {name for name, _ in function.inputs}, set())

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The outputs by name.

        Args:
            inputs: a value for each of the function's inputs.

        Raises:
            ComputeError: an operation can't be computed, or its result is not what it declares.
        """
        scope = Scope(None, dict(inputs))
        with np.errstate(all="ignore"):
            values = self._run(self._function.block, scope)
        return dict(zip(self._function.block.outputs, values, strict=True))

    def _run(self, block: Block, scope: Scope) -> list[Any]:
        for step in self._steps[id(block)]:
            results = step.kept
            if results is None:
                results = self._results(step, scope)
            for (name, _), result in zip(step.operation.outputs, results, strict=True):
                scope.values[name] = result
            for name in step.releases:
                del scope.values[name]
        return [scope.get(name) for name in block.outputs]

    def _run_inner(self, block: Block, inputs: Sequence[Any], scope: Scope) -> list[Any]:
        names = [name for name, _ in block.inputs]
        if len(names) != len(inputs):
            raise PackageError(f"gives its block {len(inputs)} values. The block takes: {len(names)}")
        return self._run(block, Scope(scope, dict(zip(names, inputs, strict=True))))

    def _results(self, step: _Step, scope: Scope) -> tuple[Any, ...]:
        name = step.operation.name
        try:
            results = self._settled(step, self._computed(step, scope))
        except (ComputeError, PackageError) as error:
            raise type(error)(f"{name} {error}") from error
        except _UNFIT as error:
            raise ComputeError(f"{name} can't be computed: {error}") from error
        if step.is_constant:
            step.kept = results
        return results

    def _settled(self, step: _Step, found: Any) -> tuple[Any, ...]:
        """The results as they are declared."""
        results, outputs = found if isinstance(found, tuple) else (found,), step.operation.outputs
        if len(results) != len(outputs):
            raise PackageError(f"makes {len(results)} values. The program declares: {len(outputs)}")
        to_half = self._to_half if self._options.rounds or step.is_constant else None
        return tuple(
            settled(result, declared, to_half) for (_, declared), result in zip(outputs, results, strict=True)
        )

    def _computed(self, step: _Step, scope: Scope) -> Any:
        if step.compute is None:
            return self._constants.read(step.operation.attributes["val"])
        given = {name: self._argument(values, scope) for name, values in step.arguments.items()}
        if not step.compute.takes_call:
            return step.compute.kernel(**given)
        step.call.run_block = lambda block, inputs: self._run_inner(block, inputs, scope)
        return step.compute.kernel(step.call, **given)

    def _argument(self, values: tuple[str | Constant, ...], scope: Scope) -> Any:
        found = [scope.get(item) if isinstance(item, str) else self._constants.read(item) for item in values]
        return found[0] if len(found) == 1 else found

    def _prepare(self, block: Block, visible: set[str], fixed: set[str]) -> None:
        """Prepare a block. ``visible`` names are defined outside it; those of them that are ``fixed`` never change."""
        visible, fixed = set(visible), set(fixed)
        steps = []
        own: dict[str, int] = {}
        for index, operation in enumerate(block.operations):
            step = self._prepared(operation, visible, fixed)
            for inner in operation.blocks:
                self._prepare(inner, visible | {name for name, _ in inner.inputs}, fixed)
            for name, _ in operation.outputs:
                if name in visible:
                    raise PackageError(f"Each value has a name of its own. Defined twice: {name!r}")
                visible.add(name)
                own[name] = index
                if step.is_constant:
                    fixed.add(name)
            steps.append(step)
        for name in block.outputs:
            if name not in visible:
                raise PackageError(f"A block puts out values that it can see. Not defined: {name!r}")
        for name, index in last_uses(block, own).items():
            steps[index].releases.append(name)
        self._steps[id(block)] = steps

    def _prepared(self, operation: Operation, visible: set[str], fixed: set[str]) -> _Step:
        compute, arguments = self._kernel(operation)
        for item in (item for values in arguments.values() for item in values):
            if isinstance(item, str) and item not in visible:
                raise PackageError(f"{operation.name} takes {item!r}, which no operation before it makes.")
        constant = frozenset(
            name
            for name, values in arguments.items()
            if all(not isinstance(item, str) or item in fixed for item in values)
        )
        call = Call(
            operation=operation,
            opset=self._function.opset,
            types=[declared for _, declared in operation.outputs],
            constants=constant,
            accelerate=self._options.accelerate,
            threads=self._options.threads,
        )
        is_constant = operation.type.startswith("const") and constant == set(arguments)
        return _Step(operation, compute, arguments, call, is_constant)

    def _kernel(self, operation: Operation) -> tuple[Entry | None, Mapping[str, tuple[str | Constant, ...]]]:
        """An operation's kernel and arguments; a constant has neither."""
        if operation.type == "const":
            if "val" not in operation.attributes or len(operation.outputs) != 1:
                raise PackageError(f"{operation.name} has one output, and its value as the attribute 'val'.")
            return None, {}
        entry = registry.find(operation.type, self._function.opset)
        # Decompressions before iOS 18 have their arguments as attributes.
        stated = {name: (value,) for name, value in operation.attributes.items() if name in entry.arguments}
        arguments = {**stated, **operation.arguments}
        registry.check_arguments(entry, operation, arguments)
        return entry, arguments
