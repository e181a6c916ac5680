"""The package's tests, in Swift: the golden vectors on each choice of compute units."""

from __future__ import annotations

from collections.abc import Sequence

from kexport_targets.coreml.xcode.members import Member
from kexport_targets.coreml.xcode.names import literal

#: What begins a line of a report; ``kexport verify`` reads them.
MARK = "kexport-golden:"

_TESTS = """\
// Written by kexport: the next export writes it again.

{imports}
/// Runs the golden vectors and compares with what the model's own framework computed.
final class GoldenTests: XCTestCase {{
  func testCPUOnly() async throws {{
    try await check(.cpuOnly, "cpuOnly")
  }}

  func testCPUAndGPU() async throws {{
    try await check(.cpuAndGPU, "cpuAndGPU")
  }}

{neural_engine}
  private func check(_ computeUnits: MLComputeUnits, _ units: String) async throws {{
    let predictor = try await {name}.load(computeUnits: computeUnits)
    let golden = try Golden()
    guard let tolerance = golden.tolerances[units] else {{
      throw XCTSkip("The model loads. It was exported without golden vectors.")
    }}
    let input = {name}.Input(
{inputs})
    var output = try await predictor.prediction(input)
    var seconds: [Double] = []
    for _ in 0..<10 {{
      let start = ProcessInfo.processInfo.systemUptime
      output = try await predictor.prediction(input)
      seconds.append(ProcessInfo.processInfo.systemUptime - start)
    }}
    let median = seconds.sorted()[seconds.count / 2]
{rows}  }}

  private func report(_ row: Golden.Row, _ units: String, seconds: Double) throws {{
    try row.report(units, seconds: seconds)
    XCTAssertNil(row.problem, "\\(row.output) on \\(units)")
  }}
}}
"""

_NEURAL_ENGINE = """\
  func testCPUAndNeuralEngine() async throws {
    try await check(.cpuAndNeuralEngine, "cpuAndNeuralEngine")
  }
"""
_NEURAL_ENGINE_15 = """\
  func testCPUAndNeuralEngine() async throws {
    guard #available(iOS 16.0, macOS 13.0, tvOS 16.0, watchOS 9.0, *) else {
      throw XCTSkip("Older systems can't be asked for CPU and Neural Engine.")
    }
    try await check(.cpuAndNeuralEngine, "cpuAndNeuralEngine")
  }
"""

_GOLDEN = """\
// Written by kexport: the next export writes it again.

import CoreML
{video}import Foundation

/// Golden vectors: what the model was given, and what its own framework computed.
struct Golden {{
  private struct Entry: Decodable {{
    let name: String
    let shape: [Int]
    let offset: Int
    let range: Double?
    let bound: Double?
  }}

  private struct Description: Decodable {{
    let tolerances: [String: Double]
    let inputs: [Entry]
    let outputs: [Entry]
  }}

  /// One output, compared. The error is the largest one of an element, relative to the output's range.
  struct Row {{
    let output: String
    let error: Double
    let tolerance: Double
    let problem: String?

    /// Prints a line that `kexport verify` reads.
    func report(_ units: String, seconds: Double) throws {{
      var values: [String: Any] = [
        "compute_units": units, "output": output, "tolerance": tolerance, "seconds": seconds,
      ]
      values["error"] = error.isFinite ? error : nil
      values["problem"] = problem
      let line = try JSONSerialization.data(withJSONObject: values, options: .sortedKeys)
      print("{mark}", String(decoding: line, as: UTF8.self))
    }}
  }}

  private enum Failure: Error {{
    case missing(String)
  }}

  /// The tolerance of each choice of compute units; none where there are no vectors.
  let tolerances: [String: Double]
  private let inputs: [Entry]
  private let outputs: [Entry]
  private let vectors: Data

  init() throws {{
    #if SWIFT_PACKAGE
      let bundle = Bundle.module
    #else
      // The tests of an app, into which these files were taken.
      let bundle = Bundle(for: GoldenTests.self)
    #endif
    guard let folder = bundle.url(forResource: "Golden", withExtension: nil) else {{
      throw Failure.missing("Golden")
    }}
    let text = try Data(contentsOf: folder.appendingPathComponent("golden.json"))
    let description = try JSONDecoder().decode(Description.self, from: text)
    tolerances = description.tolerances
    inputs = description.inputs
    outputs = description.outputs
    vectors = try Data(contentsOf: folder.appendingPathComponent("golden.bin"))
  }}

  /// The input of that name.
  func array<Scalar: MLShapedArrayScalar & Numeric>(
    _ name: String
  ) throws -> MLShapedArray<Scalar> {{
    let entry = try Golden.entry(name, of: inputs)
    return MLShapedArray(scalars: scalars(entry), shape: entry.shape)
  }}
{images}
  /// Holds an output of floats against the golden one: NaN and infinities are in the same places.
  func compare(_ name: String, _ computed: MLShapedArray<Float>, tolerance: Double) throws -> Row {{
    let entry = try Golden.entry(name, of: outputs)
    let wanted: [Float] = scalars(entry)
    let range = entry.range ?? 1
    let allowed = max(tolerance * range, Double(Float.ulpOfOne) * (entry.bound ?? 0))
    var worst = 0.0
    for (a, b) in zip(wanted, computed.scalars) where !(a == b || (a.isNaN && b.isNaN)) {{
      let error = abs(Double(a) - Double(b))
      worst = error.isNaN ? .infinity : max(worst, error)
    }}
    var problem = worst <= allowed ? nil : "an element is \\(worst / range) of the range away"
    if computed.shape != entry.shape {{
      problem = "the shape \\(computed.shape) instead of \\(entry.shape)"
    }}
    return Row(output: name, error: worst / range, tolerance: tolerance, problem: problem)
  }}

  /// Holds an output of integers against the golden one: they are the same.
  func compare(_ name: String, _ computed: MLShapedArray<Int32>, tolerance: Double) throws -> Row {{
    let entry = try Golden.entry(name, of: outputs)
    let wanted: [Int32] = scalars(entry)
    let range = entry.range ?? 1
    let errors = zip(wanted, computed.scalars).map {{ abs(Double($0) - Double($1)) }}
    let worst = errors.max() ?? 0
    var problem = worst == 0 ? nil : "an element is off by \\(worst)"
    if computed.shape != entry.shape {{
      problem = "the shape \\(computed.shape) instead of \\(entry.shape)"
    }}
    return Row(output: name, error: worst / range, tolerance: 0, problem: problem)
  }}

  private static func entry(_ name: String, of entries: [Entry]) throws -> Entry {{
    guard let entry = entries.first(where: {{ $0.name == name }}) else {{
      throw Failure.missing(name)
    }}
    return entry
  }}

  /// Apple's systems are all little-endian, as the file is.
  private func scalars<Scalar: Numeric>(_ entry: Entry) -> [Scalar] {{
    let count = entry.shape.reduce(1, *)
    var scalars = [Scalar](repeating: 0, count: count)
    let range = entry.offset..<entry.offset + count * MemoryLayout<Scalar>.stride
    scalars.withUnsafeMutableBytes {{ bytes in
      _ = vectors.copyBytes(to: bytes, from: range)
    }}
    return scalars
  }}
}}
"""

_IMAGES = """
  /// The image of that name, of (1, height, width, channels) bytes, red, green and blue.
  func image(_ name: String) throws -> CVPixelBuffer {
    let entry = try Golden.entry(name, of: inputs)
    let pixels: [UInt8] = scalars(entry)
    let (height, width, channels) = (entry.shape[1], entry.shape[2], entry.shape[3])
    let format = channels == 1 ? kCVPixelFormatType_OneComponent8 : kCVPixelFormatType_32BGRA
    var created: CVPixelBuffer?
    CVPixelBufferCreate(kCFAllocatorDefault, width, height, format, nil, &created)
    guard let buffer = created else {
      throw Failure.missing(name)
    }
    CVPixelBufferLockBaseAddress(buffer, [])
    defer { CVPixelBufferUnlockBaseAddress(buffer, []) }
    guard let base = CVPixelBufferGetBaseAddress(buffer) else {
      throw Failure.missing(name)
    }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let rowBytes = CVPixelBufferGetBytesPerRow(buffer)
    for y in 0..<height {
      for x in 0..<width {
        let from = (y * width + x) * channels
        if channels == 1 {
          bytes[y * rowBytes + x] = pixels[from]
        } else {
          let to = y * rowBytes + x * 4
          bytes[to] = pixels[from + 2]
          bytes[to + 1] = pixels[from + 1]
          bytes[to + 2] = pixels[from]
          bytes[to + 3] = 255
        }
      }
    }
    return buffer
  }
"""


def golden_tests(
    module: str, name: str, inputs: Sequence[Member], outputs: Sequence[Member], *, version: int
) -> str:
    """``GoldenTests.swift``: of the class ``name`` in ``module``, for iOS ``version`` and later."""
    given = [
        f"      {m.identifier}: try golden.{'image' if m.feature.image else 'array'}({literal(m.name)})"
        for m in inputs
    ]
    rows = [
        "    try report(\n"
        f"      golden.compare({literal(m.name)}, output.{m.identifier}, tolerance: tolerance), units,\n"
        "      seconds: median)\n"
        for m in outputs
        if m.golden
    ]
    return _TESTS.format(
        imports="".join(f"import {imported}\n" for imported in sorted(["CoreML", module, "XCTest"])),
        name=name,
        neural_engine=_NEURAL_ENGINE if version >= 16 else _NEURAL_ENGINE_15,
        inputs=",\n".join(given),
        rows="".join(rows),
    )


def golden_source(inputs: Sequence[Member]) -> str:
    """``Golden.swift``: reads and compares."""
    images = any(member.feature.image for member in inputs)
    return _GOLDEN.format(
        mark=MARK, video="import CoreVideo\n" if images else "", images=_IMAGES if images else ""
    )
