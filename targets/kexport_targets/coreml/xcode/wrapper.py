"""The typed wrapper of a model, in Swift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kexport_targets.coreml.xcode.members import Member
from kexport_targets.coreml.xcode.names import literal, shown

#: swift-format breaks longer lines.
_WIDTH: Final = 100

_LOADING = """\
  /// Core ML's model.
  public let model: MLModel

  /// Wraps a model that is loaded already.
  public init(model: MLModel) {{
    self.model = model
  }}

  /// Compiles the package's model into a temporary folder; returns that folder, from which it can be
  /// loaded for any compute units.
  public static func compile() async throws -> URL {{
    guard let package = Bundle.module.url(forResource: "Model", withExtension: nil) else {{
      throw Failure.modelNotFound
    }}
    let url = package.appendingPathComponent("model.mlpackage")
{compile}  }}

  /// Loads the model.
  ///
  /// - Parameters:
  ///   - computeUnits: What may compute: `.cpuOnly`, `.cpuAndGPU`, `.cpuAndNeuralEngine` or `.all`.
  ///   - compiled: What `compile()` returned, or a copy of it; without, the model is compiled first.
  public static func load(
    computeUnits: MLComputeUnits = .all, compiled: URL? = nil
  ) async throws -> {name} {{
    let configuration = MLModelConfiguration()
    configuration.computeUnits = computeUnits
    let url: URL
    if let compiled = compiled {{
      url = compiled
    }} else {{
      url = try await compile()
    }}
    let model = try await MLModel.load(contentsOf: url, configuration: configuration)
    return {name}(model: model)
  }}

  /// Computes the outputs, and waits for them.
  public func prediction(_ input: Input) throws -> Output {{
    try {name}.output(model.prediction(from: {name}.features(input)))
  }}

  /// Computes the outputs.
  public func prediction(_ input: Input) async throws -> Output {{
{predict}  }}
"""

#: The asynchronous forms came with iOS 16 (compiling) and iOS 17 (predicting); a method that isn't asynchronous picks the others.
_COMPILE = "    return try await MLModel.compileModel(at: url)\n"
_COMPILE_15 = """\
    if #available(iOS 16.0, macOS 13.0, tvOS 16.0, watchOS 9.0, *) {
      return try await MLModel.compileModel(at: url)
    }
    return try compileAndWait(url)
"""
_COMPILE_WAITING = """
  private static func compileAndWait(_ url: URL) throws -> URL {
    try MLModel.compileModel(at: url)
  }
"""
_PREDICT = """\
    let features = try {name}.features(input)
    let options = MLPredictionOptions()
    return try {name}.output(await model.prediction(from: features, options: options))
"""
_PREDICT_15 = """\
    if #available(iOS 17.0, macOS 14.0, tvOS 17.0, watchOS 10.0, *) {{
      let features = try {name}.features(input)
      let options = MLPredictionOptions()
      return try {name}.output(await model.prediction(from: features, options: options))
    }}
    return try predictAndWait(input)
"""
_PREDICT_WAITING = """
  private func predictAndWait(_ input: Input) throws -> Output {
    try prediction(input)
  }
"""


def wrapper(
    name: str, model: str, inputs: Sequence[Member], outputs: Sequence[Member], *, version: int
) -> str:
    """The source of the class ``name``: of the model called ``model``, for iOS ``version`` and later."""
    imports = ["CoreML", *(["CoreVideo"] if any(m.feature.image for m in inputs) else []), "Foundation"]
    loading = _LOADING.format(
        name=name,
        compile=_COMPILE if version >= 16 else _COMPILE_15,
        predict=(_PREDICT if version >= 17 else _PREDICT_15).format(name=name),
    )
    return "".join(
        [
            "// Written by kexport: the next export writes it again.\n\n",
            *(f"import {module}\n" for module in imports),
            f"\n/// The model {shown(model)}. Use one at a time from one thread or task, as Core ML wants it.\n",
            f"public final class {name} {{\n",
            *_input(inputs),
            *_output(outputs),
            "  /// What can go wrong, beside Core ML's own errors.\n",
            "  public enum Failure: Error {\n",
            "    /// The package's resources have no model.\n    case modelNotFound\n",
            "    /// The model gave no such output.\n    case missingOutput(String)\n  }\n\n",
            loading,
            "" if version >= 16 else _COMPILE_WAITING,
            "" if version >= 17 else _PREDICT_WAITING,
            *_conversions(inputs, outputs),
            "}\n",
        ]
    )


def _input(inputs: Sequence[Member]) -> list[str]:
    parameters = [f"{member.identifier}: {member.type}" for member in inputs]
    return [
        "  /// What the model takes.\n  public struct Input {\n",
        *(f"    /// {m.comment}\n    public var {m.identifier}: {m.type}\n\n" for m in inputs),
        "    /// Takes a value for every input.\n",
        *_called("    public init", parameters, " {"),
        *(f"      self.{m.identifier} = {m.identifier}\n" for m in inputs),
        "    }\n  }\n\n",
    ]


def _output(outputs: Sequence[Member]) -> list[str]:
    declared = [f"    /// {m.comment}\n    public let {m.identifier}: {m.type}\n" for m in outputs]
    return ["  /// What the model computes.\n  public struct Output {\n", "\n".join(declared), "  }\n\n"]


def _called(head: str, arguments: Sequence[str], tail: str) -> list[str]:
    """A call or a declaration, on one line where that has room."""
    line = f"{head}({', '.join(arguments)}){tail}\n"
    if len(line) <= _WIDTH:
        return [line]
    indent = " " * (len(head) - len(head.lstrip()))
    return [
        f"{head}(\n",
        *(f"{indent}  {a}{',' if a is not arguments[-1] else ''}\n" for a in arguments),
        f"{indent}){tail}\n",
    ]


def _conversions(inputs: Sequence[Member], outputs: Sequence[Member]) -> list[str]:
    """Between the structures and what Core ML takes and gives. They stand outside of the structures, whose members may be called like any
    type or function that is used here."""
    kinds = {m.type if not m.scalar else "array" for m in outputs}
    return [
        "\n  private static func features(_ input: Input) throws -> MLFeatureProvider {\n",
        "    try MLDictionaryFeatureProvider(dictionary: [\n",
        ",\n".join(f"      {literal(m.feature.name)}: {_given(m)}" for m in inputs),
        # swift-format wants a comma after the last one of several.
        "," if len(inputs) > 1 else "",
        "\n    ])\n  }\n",
        "\n  private static func output(_ features: MLFeatureProvider) throws -> Output {\n",
        "    try Output(\n",
        ",\n".join(f"      {m.identifier}: {_taken(m)}" for m in outputs),
        ")\n  }\n",
        *(_ARRAY if "array" in kinds else ()),
        *(_PROBABILITIES if "[String: Double]" in kinds else ()),
        _VALUE,
    ]


_VALUE = """
  private static func value(
    _ name: String, of features: MLFeatureProvider
  ) throws -> MLFeatureValue {
    guard let value = features.featureValue(for: name) else {
      throw Failure.missingOutput(name)
    }
    return value
  }
"""
_ARRAY = [
    """
  private static func array<Scalar: MLShapedArrayScalar>(
    _ name: String, of features: MLFeatureProvider
  ) throws -> MLShapedArray<Scalar> {
    guard let array = try value(name, of: features).multiArrayValue else {
      throw Failure.missingOutput(name)
    }
    return MLShapedArray(converting: array)
  }
"""
]
_PROBABILITIES = [
    """
  private static func probabilities(
    _ name: String, of features: MLFeatureProvider
  ) throws -> [String: Double] {
    var found: [String: Double] = [:]
    for (key, probability) in try value(name, of: features).dictionaryValue {
      if let label = key as? String {
        found[label] = probability.doubleValue
      }
    }
    return found
  }
"""
]


def _given(member: Member) -> str:
    if member.feature.image:
        return f"MLFeatureValue(pixelBuffer: input.{member.identifier})"
    return f"MLFeatureValue(multiArray: MLMultiArray(input.{member.identifier}))"


def _taken(member: Member) -> str:
    name = literal(member.feature.name)
    if member.feature.dtype == "string":
        return f"value({name}, of: features).stringValue"
    if member.feature.dtype == "probabilities":
        return f"probabilities({name}, of: features)"
    return f"array({name}, of: features)"
