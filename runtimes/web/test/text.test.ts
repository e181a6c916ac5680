import { describe, expect, test } from "vitest";
import type { Vocabulary } from "../src/description";
import { evidence } from "../src/page/activation-map";
import { decode, encode } from "../src/page/text";

const WORDS: Vocabulary = { input: "x", unit: "word", padding: "pre", unknown: null, words: { the: 1, film: 2, "don't": 3, well: 4, dont: 5 } };

describe("texts", () => {
  test("of words lose punctuation and the words that nobody knows", () => {
    expect(encode("The  FILM, zebra (well-don't)!", WORDS, 6)).toEqual({ numbers: [0, 0, 1, 2, 4, 3], unknown: ["zebra"] });
    expect(encode("dont", WORDS, 1).numbers).toEqual([5]);
    expect(encode("the zebra film", { ...WORDS, unknown: 9 }, 4).numbers).toEqual([0, 1, 9, 2]);
  });

  test("that are too long lose their start or their end", () => {
    expect(encode("the film well", WORDS, 2).numbers).toEqual([2, 4]);
    expect(encode("the film well", { ...WORDS, padding: "post" }, 2).numbers).toEqual([1, 2]);
    expect(encode("the", { ...WORDS, padding: "post" }, 3).numbers).toEqual([1, 0, 0]);
  });

  test("of vocabularies with capitals keep theirs; names of objects are no words", () => {
    expect(encode("The the", { ...WORDS, words: { The: 7, the: 1 } }, 2).numbers).toEqual([7, 1]);
    expect(encode("constructor toString", WORDS, 2)).toEqual({ numbers: [0, 0], unknown: ["constructor", "tostring"] });
  });

  test("of characters come back", () => {
    const characters: Vocabulary = { input: "x", unit: "character", padding: "post", unknown: null, words: { a: 1, b: 2, " ": 3, "😀": 4 } };
    const { numbers } = encode("ab 😀", characters, 6);
    expect(numbers).toEqual([1, 2, 3, 4, 0, 0]);
    expect(decode(numbers, characters)).toBe("ab 😀");
    expect(decode([0, 0, 1, 2], WORDS)).toBe("the film");
  });
});

test("evidence against a class counts as none", () => {
  const map = { data: Float32Array.of(-1, 5, 2, 5, 4, 5, 0, 5), shape: [1, 2, 2, 2], dtype: "float32" as const };
  expect(evidence(map, 0)).toEqual({ values: [0, 0.5, 1, 0], width: 2, height: 2 });
  expect(evidence({ ...map, data: new Float32Array(8).fill(-1) }, 1).values).toEqual([0, 0, 0, 0]);
});
