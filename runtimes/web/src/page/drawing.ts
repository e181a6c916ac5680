/** Numbers as pictures. */

import type { Tensor } from "../arrays";

type Numbers = ArrayLike<number | bigint>;

/** More bars than that no screen has room for. */
const MOST_BARS = 512;

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
  if (shape.length <= 1 || values.length === shape[0]) {
    return { pictures: [drawBars(values)], left: 0 };
  }
  if (shape.length === 2) {
    return { pictures: [drawSequence(values, shape as [number, number])], left: 0 };
  }
  const { slice, count, width, height } = slicesOf(values, shape);
  const shown = Math.min(count, most);
  return { pictures: Array.from({ length: shown }, (_, index) => drawGrey(slice(index), width, height)), left: count - shown };
}

/** The pictures that volumes (depth, height, width, channels) are made of, a channel after the other; of what has more dimensions, the
 * pictures along the last two. */
function slicesOf(values: readonly number[], shape: readonly number[]) {
  if (shape.length === 4) {
    const [depth, height, width, channels] = shape as [number, number, number, number];
    const area = height * width;
    const slice = (index: number): number[] => {
      const [channel, at] = [Math.floor(index / depth), index % depth];
      return Array.from({ length: area }, (_, place) => values[(at * area + place) * channels + channel] as number);
    };
    return { slice, count: depth * channels, width, height };
  }
  const [height, width] = shape.slice(-2) as [number, number];
  const area = height * width;
  return { slice: (index: number): number[] => values.slice(index * area, (index + 1) * area), count: values.length / area, width, height };
}

/** Steps from left to right, features from top to bottom. */
function drawSequence(values: readonly number[], [steps, features]: readonly [number, number]): HTMLCanvasElement {
  const turned = Array.from(values, (_, index) => values[(index % steps) * features + Math.floor(index / steps)] as number);
  const canvas = drawGrey(turned, steps, features);
  canvas.classList.add("sequence");
  canvas.style.width = `${Math.min(Math.max(steps * 8, 72), 560)}px`;
  canvas.style.height = `${Math.min(Math.max(features * 8, 24), 280)}px`;
  return canvas;
}

/** A bar an element, up for what is above zero; of more elements than there is room for, from the least to the greatest of those that
 * share one. */
function drawBars(values: readonly number[]): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const count = Math.min(values.length, MOST_BARS);
  const bar = count > 128 ? 1 : count > 32 ? 4 : 12;
  canvas.width = Math.max(count * bar, 1);
  canvas.height = 64;
  canvas.className = "bars";
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  const high = values.reduce((a, b) => Math.max(a, b), 0);
  const low = values.reduce((a, b) => Math.min(a, b), 0);
  const scale = high > low ? canvas.height / (high - low) : 0;
  context.fillStyle = "#2f7d6b";
  for (let index = 0; index < count; index++) {
    const some = values.slice(Math.floor((index * values.length) / count), Math.floor(((index + 1) * values.length) / count));
    // One element's bar stands on zero.
    const [least, most] = [Math.min(...some, ...(some.length > 1 ? [] : [0])), Math.max(...some, ...(some.length > 1 ? [] : [0]))];
    context.fillRect(index * bar, (high - most) * scale, bar > 1 ? bar - 1 : 1, Math.max((most - least) * scale, 0.5));
  }
  return canvas;
}
