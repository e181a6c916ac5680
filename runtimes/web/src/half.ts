/** IEEE 754 binary16: a sign, 5 bits of exponent (bias 15), 10 of fraction. */

const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** The number that 16 bits stand for. */
export function float16ToFloat32(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 0x1f) {
    return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The numbers that many 16 bits stand for; quicker than one by one.
 *
 * The exponent and fraction of a half, moved to where a float32 has them, are 2^112 too small, as the biases differ (15 and 127); that
 * goes for subnormal ones, too.
 */
export function widenHalves(halves: Uint16Array, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let index = 0; index < into.length; index++) {
    const half = halves[index] as number;
    const sign = (half & 0x8000) << 16;
    if ((half & 0x7c00) === 0x7c00) {
      bits[index] = sign | 0x7f800000 | ((half & 0x3ff) << 13);
    } else {
      bits[index] = sign | ((half & 0x7fff) << 13);
      into[index] = (into[index] as number) * 2 ** 112;
    }
  }
}

/** The 16 bits nearest to a number, ties to even; what is too large becomes infinite. */
export function float32ToFloat16(value: number): number {
  float[0] = value;
  const bits = bitsOfFloat[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 0xff;
  const fraction = bits & 0x7fffff;
  if (exponent === 0xff) {
    return sign | 0x7c00 | (fraction ? 0x200 : 0);
  }
  const shifted = exponent - 112;
  if (shifted >= 0x1f) {
    return sign | 0x7c00;
  }
  if (shifted <= 0) {
    // Below 2^-14 the fraction loses a bit for each step.
    return shifted < -10 ? sign : sign | roundedShift(fraction | 0x800000, 14 - shifted);
  }
  // Rounding up may carry into the exponent, up to infinity: the bits are made for it.
  return sign + ((shifted << 10) + roundedShift(fraction, 13));
}

function roundedShift(value: number, by: number): number {
  const kept = value >>> by;
  const rest = value & ((1 << by) - 1);
  const tie = 1 << (by - 1);
  return kept + (rest > tie || (rest === tie && kept & 1) ? 1 : 0);
}
