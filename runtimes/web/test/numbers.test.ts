import { describe, expect, test } from "vitest";
import { fromText, readNumbers } from "../src/page/number-file";

/** A .npy file as NumPy writes it: version 1.0, the header filled up to a multiple of 64 bytes. */
function npy(header: string, data: ArrayBufferView): File {
  const text = `${header.padEnd(117)}\n`;
  const head = new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, text.length, 0, ...new TextEncoder().encode(text)]);
  return new File([head, data as unknown as BlobPart], "x.npy");
}

describe("numbers", () => {
  test("of a text stand apart by anything usual", () => {
    expect(fromText("1, 2.5;-3e2\n[4 5]")).toEqual([1, 2.5, -300, 4, 5]);
    expect(fromText(" \n")).toEqual([]);
    expect(() => fromText("1 two 3")).toThrow("“two” is no number.");
    expect(() => fromText("NaN")).toThrow("is no number");
  });

  test.each([
    ["<f4", Float32Array.of(0.5, -2)],
    ["<f8", Float64Array.of(0.5, -2)],
    ["|i1", Int8Array.of(1, -2)],
    ["|u1", Uint8Array.of(1, 255)],
    ["<i2", Int16Array.of(1, -300)],
    ["<u2", Uint16Array.of(1, 65535)],
    ["<i4", Int32Array.of(1, -70000)],
    ["<u4", Uint32Array.of(1, 4294967295)],
    ["<i8", BigInt64Array.of(1n, -5n)],
    ["<u8", BigUint64Array.of(1n, 5n)],
    ["|b1", Uint8Array.of(1, 0)],
  ])("of a .npy file of %s", async (kind, data) => {
    const found = await readNumbers(npy(`{'descr': '${kind}', 'fortran_order': False, 'shape': (2,), }`, data));
    expect(found).toEqual([...data].map(Number));
  });

  test("of an array that is not read here are refused", async () => {
    const one = Float32Array.of(1);
    await expect(readNumbers(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", one))).rejects.toThrow("not read here");
    await expect(readNumbers(npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", one))).rejects.toThrow("not read here");
    await expect(readNumbers(npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", one))).rejects.toThrow("not read here");
    await expect(readNumbers(new File(["no numbers"], "x.txt"))).rejects.toThrow("“no” is no number");
  });
});
