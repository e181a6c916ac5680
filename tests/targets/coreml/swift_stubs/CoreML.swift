// As much of Core ML as generated packages use, with the types of Apple's documentation: it holds their Swift to types where there
// is no SDK of Apple's. A model gives what the file $KEXPORT_STUB_OUTPUTS says: {name: {"shape": [1, 3], "floats": […]}}, or "ints".

import Foundation
public protocol MLShapedArrayScalar {}
extension Float: MLShapedArrayScalar {}
extension Double: MLShapedArrayScalar {}
extension Int32: MLShapedArrayScalar {}
public struct MLShapedArray<Scalar: MLShapedArrayScalar> {
  public let scalars: [Scalar]
  public let shape: [Int]
  public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar {
    self.scalars = Array(scalars)
    self.shape = shape
  }
  public init(converting array: MLMultiArray) {
    self.init(scalars: array.scalars as! [Scalar], shape: array.shape)
  }
}
public class MLMultiArray: NSObject {
  let scalars: [Any]
  let shape: [Int]
  public init<S>(_ array: MLShapedArray<S>) {
    scalars = array.scalars
    shape = array.shape
  }
}
public class MLFeatureValue: NSObject {
  public let multiArrayValue: MLMultiArray?
  public let stringValue: String
  public let dictionaryValue: [AnyHashable: NSNumber]
  public init(multiArray: MLMultiArray) {
    multiArrayValue = multiArray
    stringValue = ""
    dictionaryValue = [:]
  }
  public init(pixelBuffer: CVPixelBuffer) {
    multiArrayValue = nil
    stringValue = ""
    dictionaryValue = [:]
  }
}
public protocol MLFeatureProvider {
  func featureValue(for name: String) -> MLFeatureValue?
}
public class MLDictionaryFeatureProvider: MLFeatureProvider {
  let values: [String: Any]
  public init(dictionary: [String: Any]) throws { values = dictionary }
  public func featureValue(for name: String) -> MLFeatureValue? { values[name] as? MLFeatureValue }
}
public enum MLComputeUnits: Int { case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine }
public class MLModelConfiguration { public var computeUnits = MLComputeUnits.all; public init() {} }
public class MLPredictionOptions { public init() {} }
public class MLModel {
  public static func compileModel(at url: URL) throws -> URL { url }
  public static func compileModel(at url: URL) async throws -> URL { url }
  public static func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLModel {
    guard FileManager.default.fileExists(atPath: url.path) else { throw CocoaError(.fileNoSuchFile) }
    return MLModel()
  }
  public func prediction(from input: MLFeatureProvider) throws -> MLFeatureProvider { try outputs() }
  public func prediction(
    from input: MLFeatureProvider, options: MLPredictionOptions = MLPredictionOptions()
  ) async throws -> MLFeatureProvider { try outputs() }

  private struct Given: Decodable {
    let shape: [Int]
    let floats: [Float]?
    let ints: [Int32]?
  }

  private func outputs() throws -> MLFeatureProvider {
    let path = ProcessInfo.processInfo.environment["KEXPORT_STUB_OUTPUTS"] ?? ""
    let text = try Data(contentsOf: URL(fileURLWithPath: path))
    let given = try JSONDecoder().decode([String: Given].self, from: text)
    return try MLDictionaryFeatureProvider(
      dictionary: given.mapValues { output in
        let array =
          output.floats.map { MLMultiArray(MLShapedArray(scalars: $0, shape: output.shape)) }
          ?? MLMultiArray(MLShapedArray(scalars: output.ints ?? [], shape: output.shape))
        return MLFeatureValue(multiArray: array)
      })
  }
}

public class CVPixelBuffer {}
