/** Numbers as pictures. */

import type { Tensor } from "../arrays";

type Numbers = ArrayLike<number | bigint>;

/** Grey levels of numbers, the least black, the greatest white; what is all the same is grey. */
function greys(values: readonly number[]): Uint8ClampedArray {
  const finite = values.filter(Number.isFinite);
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  return Uint8ClampedArray.from(values, (value) => (high > low ? (255 * (value - low)) / (high - low) : 128));
}

/** Draw one channel; a pixel an element. */
function drawGrey(values: readonly number[], width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = context.createImageData(width, height);
  greys(values).forEach((grey, index) => {
    image.data.set([grey, grey, grey, 255], 4 * index);
  });
  context.putImageData(image, 0, 0);
  canvas.className = "map";
  return canvas;
}

/** Draw an image of 1, 3 or 4 channels whose values are spread over the whole scale. */
export function drawImage(tensor: Tensor, channelsFirst: boolean): HTMLCanvasElement {
  const { channel, count, width, height } = channelsOf(tensor, channelsFirst);
  if (count < 3) {
    return drawGrey(channel(0), width, height);
  }
  const canvas = drawGrey(channel(0), width, height);
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const image = context.getImageData(0, 0, width, height);
  const all = greys([...channel(0), ...channel(1), ...channel(2)]);
  const size = width * height;
  for (let pixel = 0; pixel < size; pixel++) {
    image.data.set([all[pixel] ?? 0, all[size + pixel] ?? 0, all[2 * size + pixel] ?? 0, 255], 4 * pixel);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The channels of an image or of feature maps (1, height, width, channels). */
export function channelsOf(tensor: Tensor, channelsFirst: boolean) {
  const data = tensor.data as Numbers;
  const [, a, b, c] = tensor.shape as [number, number, number, number];
  const [height, width, count] = channelsFirst ? [b, c, a] : [a, b, c];
  const channel = (index: number): number[] =>
    Array.from({ length: height * width }, (_, at) => Number(data[channelsFirst ? index * height * width + at : at * count + index]));
  return { channel, count, width, height };
}

/** What a layer computed: feature maps, a picture of a sequence, or bars; `most` of a kind, and how many are left out. */
export function drawTensor(tensor: Tensor, channelsFirst: boolean, most = 64): { pictures: HTMLElement[]; left: number } {
  const [, ...shape] = tensor.shape;
  if (shape.length === 3) {
    const { channel, count, width, height } = channelsOf(tensor, channelsFirst);
    const shown = Math.min(count, most);
    return { pictures: Array.from({ length: shown }, (_, index) => drawGrey(channel(index), width, height)), left: count - shown };
  }
  const values = Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  if (shape.length === 2) {
    const [rows, columns] = shape as [number, number];
    return { pictures: [drawGrey(values, columns, rows)], left: 0 };
  }
  if (shape.length <= 1) {
    return { pictures: [drawBars(values.slice(0, 512))], left: Math.max(0, values.length - 512) };
  }
  // Volumes: a picture a slice.
  const [width, height] = [shape[shape.length - 1] as number, shape[shape.length - 2] as number];
  const slices = values.length / (width * height);
  const shown = Math.min(slices, most);
  const slice = (index: number): number[] => values.slice(index * width * height, (index + 1) * width * height);
  return { pictures: Array.from({ length: shown }, (_, index) => drawGrey(slice(index), width, height)), left: slices - shown };
}

/** A bar an element, up for what is above zero. */
function drawBars(values: readonly number[]): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const bar = values.length > 128 ? 2 : values.length > 32 ? 4 : 12;
  canvas.width = Math.max(values.length * bar, 1);
  canvas.height = 64;
  canvas.className = "bars";
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const high = values.reduce((a, b) => Math.max(a, b), 0);
  const low = values.reduce((a, b) => Math.min(a, b), 0);
  const scale = high > low ? canvas.height / (high - low) : 0;
  context.fillStyle = "#2f7d6b";
  values.forEach((value, index) => {
    const top = (high - Math.max(value, 0)) * scale;
    context.fillRect(index * bar, top, Math.max(bar - 1, 1), Math.max(Math.abs(value) * scale, 0.5));
  });
  return canvas;
}
