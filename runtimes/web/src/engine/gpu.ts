/** WebGPU: the device, and copies between its memory and the page's. */

import { AcceleratorError } from "../errors";

/** The GPU.
 *
 * @throws AcceleratorError where there is none.
 */
export async function gpuAdapter(): Promise<GPUAdapter> {
  if (typeof navigator === "undefined" || !navigator.gpu) {
    throw new AcceleratorError("This browser has no WebGPU.");
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new AcceleratorError("WebGPU finds no GPU.");
  }
  return adapter;
}

/** A device with the adapter's own limits: the defaults are too small for large layers.
 *
 * @throws AcceleratorError where there is no GPU.
 */
export async function gpuDevice(): Promise<GPUDevice> {
  const adapter = await gpuAdapter();
  const { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage, maxTextureDimension2D } = adapter.limits;
  return adapter.requestDevice({
    requiredFeatures: (["shader-f16", "subgroups"] as GPUFeatureName[]).filter((feature) => adapter.features.has(feature)),
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage, maxTextureDimension2D },
  });
}

/** Sizes of buffers are multiples of 4 bytes (WebGPU, `copyBufferToBuffer`). */
export function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** A buffer that models read. */
export function inputBuffer(device: GPUDevice, bytes: number): GPUBuffer {
  return device.createBuffer({
    size: padded(bytes),
    usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | GPUBufferUsage.STORAGE,
  });
}

/** Put bytes into a buffer. */
export function upload(device: GPUDevice, buffer: GPUBuffer, bytes: Uint8Array): void {
  let whole = bytes;
  if (bytes.byteLength % 4) {
    whole = new Uint8Array(padded(bytes.byteLength));
    whole.set(bytes);
  }
  device.queue.writeBuffer(buffer, 0, whole as BufferSource);
}

/** The first bytes of each buffer, once the GPU has computed them: one wait for all. */
export async function download(device: GPUDevice, sources: readonly { buffer: GPUBuffer; offset: number; bytes: number }[]): Promise<Uint8Array[]> {
  const encoder = device.createCommandEncoder();
  const readable = sources.map(({ buffer, offset, bytes }) => {
    const target = device.createBuffer({
      size: Math.max(4, padded(bytes)),
      usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ,
    });
    encoder.copyBufferToBuffer(buffer, offset, target, 0, padded(bytes));
    return target;
  });
  device.queue.submit([encoder.finish()]);
  try {
    await Promise.all(readable.map((buffer) => buffer.mapAsync(GPUMapMode.READ)));
    return readable.map((buffer, index) => new Uint8Array(buffer.getMappedRange()).slice(0, sources[index]?.bytes));
  } finally {
    for (const buffer of readable) {
      buffer.destroy();
    }
  }
}
