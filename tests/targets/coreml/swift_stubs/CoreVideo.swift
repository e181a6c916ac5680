@_exported import CoreML
public let kCFAllocatorDefault: Int? = nil
public let kCVPixelFormatType_OneComponent8: UInt32 = 8
public let kCVPixelFormatType_32BGRA: UInt32 = 0x4247_5241
public struct CVPixelBufferLockFlags: OptionSet {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}
@discardableResult
public func CVPixelBufferCreate(
  _ a: Int?, _ w: Int, _ h: Int, _ f: UInt32, _ o: [String: Any]?,
  _ out: UnsafeMutablePointer<CVPixelBuffer?>
) -> Int32 { 0 }
@discardableResult
public func CVPixelBufferLockBaseAddress(_ b: CVPixelBuffer, _ f: CVPixelBufferLockFlags) -> Int32 { 0 }
@discardableResult
public func CVPixelBufferUnlockBaseAddress(_ b: CVPixelBuffer, _ f: CVPixelBufferLockFlags) -> Int32 { 0 }
public func CVPixelBufferGetBaseAddress(_ b: CVPixelBuffer) -> UnsafeMutableRawPointer? { nil }
public func CVPixelBufferGetBytesPerRow(_ b: CVPixelBuffer) -> Int { 0 }
