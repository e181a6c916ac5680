/** Pixels to the numbers that a model was trained with. */

import type { Preprocessing } from "../description";

/** Usual ways to scale pixels of 0 to 255, by name; what a file does not say, the user may know. */
export const SCALINGS = {
  unit: { title: "0 to 1", channels: "rgb", mean: [0, 0, 0], scale: [1 / 255, 1 / 255, 1 / 255] },
  signed: { title: "−1 to 1", channels: "rgb", mean: [127.5, 127.5, 127.5], scale: [1 / 127.5, 1 / 127.5, 1 / 127.5] },
  raw: { title: "0 to 255", channels: "rgb", mean: [0, 0, 0], scale: [1, 1, 1] },
  torch: {
    title: "ImageNet mean and deviation",
    channels: "rgb",
    mean: [123.675, 116.28, 103.53],
    scale: [1 / 58.395, 1 / 57.12, 1 / 57.375],
  },
  caffe: { title: "BGR less ImageNet mean", channels: "bgr", mean: [103.939, 116.779, 123.68], scale: [1, 1, 1] },
} as const;

export type Scaling = keyof typeof SCALINGS;

/** How large the model's images are, and where their channels stand. */
export interface ImageShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly layout: Preprocessing["layout"];
}

/** The images that a shape (with its batch) is of; null where it is none. */
export function imageShape(shape: readonly number[], layout?: Preprocessing["layout"]): ImageShape | null {
  if (shape.length !== 4) {
    return null;
  }
  const [, first, middle, last] = shape as [number, number, number, number];
  const plausible = (channels: number): boolean => channels === 1 || channels === 3 || channels === 4;
  if (layout !== "channels_first" && plausible(last) && first > 4 && middle > 4) {
    return { height: first, width: middle, channels: last, layout: "channels_last" };
  }
  if (layout !== "channels_last" && plausible(first) && middle > 4 && last > 4) {
    return { height: middle, width: last, channels: first, layout: "channels_first" };
  }
  return null;
}

/** The model's input from pixels (RGBA, of the model's size), `(value - mean) * scale` a channel. */
export function fromPixels(pixels: Uint8ClampedArray, shape: ImageShape, how: Omit<Preprocessing, "input" | "layout">): Float32Array {
  const { height, width, channels, layout } = shape;
  const count = height * width;
  const out = new Float32Array(count * channels);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let channel = 0; channel < channels; channel++) {
      const value = channelOf(pixels, 4 * pixel, channel, channels, how.channels);
      const index = layout === "channels_last" ? pixel * channels + channel : channel * count + pixel;
      const which = Math.min(channel, how.mean.length - 1);
      out[index] = (value - (how.mean[which] ?? 0)) * (how.scale[which] ?? 1);
    }
  }
  return out;
}

/** Grey is the luma of BT.601, as Pillow's `convert("L")` has it. */
function channelOf(pixels: Uint8ClampedArray, at: number, channel: number, channels: number, order: Preprocessing["channels"]): number {
  const [red, green, blue, alpha] = pixels.subarray(at, at + 4) as unknown as [number, number, number, number];
  if (channels === 1) {
    return (red * 299 + green * 587 + blue * 114) / 1000;
  }
  if (channel === 3) {
    return alpha;
  }
  const colours = order === "bgr" ? [blue, green, red] : [red, green, blue];
  return colours[channel] as number;
}
