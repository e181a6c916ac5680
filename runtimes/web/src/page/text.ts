/** A text: words or characters to the integers of a vocabulary, and back. */

import type { Port, Vocabulary } from "../description";
import { sizeOf } from "../description";
import { h, shapeText } from "./dom";
import type { InputPanel, OnChange } from "./panel";

/** What is no part of a word (the filters of Keras's Tokenizer); the apostrophe is tried with the word first. */
const PUNCTUATION = /[!"#$%&()*+,\-./:;<=>?@[\\\]^_`{|}~]+/g;

/** The integers of a text, as many as `length`. */
export function encode(text: string, vocabulary: Vocabulary, length: number): { numbers: number[]; unknown: string[] } {
  const { words, padding } = vocabulary;
  const unknown: string[] = [];
  const found: number[] = [];
  const lower = !Object.keys(words).some((word) => word !== word.toLowerCase());
  for (const part of parts(lower ? text.toLowerCase() : text, vocabulary)) {
    const index = lookUp(part, words);
    if (index === undefined) {
      unknown.push(part);
    }
    const number = index ?? vocabulary.unknown;
    if (number !== null) {
      found.push(number);
    }
  }
  const kept = padding === "pre" ? found.slice(-length) : found.slice(0, length);
  const zeros = new Array<number>(length - kept.length).fill(0);
  return { numbers: padding === "pre" ? [...zeros, ...kept] : [...kept, ...zeros], unknown };
}

/** The text that integers stand for. */
export function decode(numbers: readonly number[], { words, unit, padding, unknown }: Vocabulary): string {
  const byIndex = new Map(Object.entries(words).map(([word, index]) => [index, word]));
  const known = numbers.map((number) => byIndex.get(number) ?? (number === 0 ? "" : number === unknown ? "�" : ""));
  const start = padding === "pre" ? Math.max(0, known.findIndex(Boolean)) : 0;
  return known.slice(start).filter(Boolean).join(unit === "word" ? " " : "");
}

/** The words or characters; a word that stands in the vocabulary with its punctuation stays as it is. */
function parts(text: string, { unit, words }: Vocabulary): string[] {
  if (unit === "character") {
    return [...text];
  }
  return text
    .split(/\s+/)
    .flatMap((word) => (Object.hasOwn(words, word) ? [word] : word.replace(PUNCTUATION, " ").split(" ")))
    .filter(Boolean);
}

function lookUp(part: string, words: Vocabulary["words"]): number | undefined {
  for (const form of [part, part.replaceAll(/['’]/g, "")]) {
    if (Object.hasOwn(words, form)) {
      return words[form];
    }
  }
  return undefined;
}

export class TextInput implements InputPanel {
  readonly element: HTMLElement;
  private readonly area: HTMLTextAreaElement;
  private readonly message = h("p", { className: "hint", role: "status" });
  private numbers: number[];

  constructor(
    readonly port: Port,
    private readonly vocabulary: Vocabulary,
    private readonly onChange: OnChange,
  ) {
    this.numbers = new Array<number>(sizeOf(port)).fill(0);
    this.area = h("textarea", {
      id: `text-${port.name}`,
      rows: 4,
      spellcheck: false,
      oninput: () => this.read(),
    });
    const unit = vocabulary.unit === "word" ? "words" : "characters";
    this.element = h(
      "div",
      { className: "column" },
      h("label", { htmlFor: this.area.id }, `${port.name}: a text; ${sizeOf(port)} ${unit} of it are read `, h("small", {}, `${port.dtype} ${shapeText(port.shape)}`)),
      this.area,
      this.message,
    );
  }

  value(): number[] {
    return this.numbers;
  }

  show(value: ArrayLike<number | bigint>): void {
    this.numbers = Array.from(value, Number);
    this.area.value = decode(this.numbers, this.vocabulary);
    this.message.textContent = "";
  }

  private read(): void {
    const { numbers, unknown } = encode(this.area.value, this.vocabulary, sizeOf(this.port));
    this.numbers = numbers;
    this.message.textContent = unknown.length ? `Not in the vocabulary: ${[...new Set(unknown)].slice(0, 12).join(" ")}` : "";
    this.onChange();
  }
}
