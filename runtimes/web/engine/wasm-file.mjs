// The parts of a WebAssembly module that are read and replaced here (WebAssembly core specification 2.0, chapter 5, "Binary format").

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Section numbers. */
export const SECTIONS = { import: 2, function: 3, global: 6, export: 7, element: 9, code: 10 };

/** Kinds of what is imported and exported. */
const KINDS = { function: 0, table: 1, memory: 2, global: 3, tag: 4 };

/** Reads numbers and names of a module's bytes. */
export class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** An unsigned number (LEB128), of up to 64 bits; what is beyond 2^53 is not exact. */
  unsigned() {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        return value;
      }
      scale *= 128;
    }
  }

  /** A signed number of 32 bits (LEB128). */
  signed() {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      shift += 7;
      if (byte < 0x80) {
        return shift < 32 && byte & 0x40 ? value | (-1 << shift) : value;
      }
    }
  }

  name() {
    const length = this.unsigned();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  limits() {
    const flags = this.byte();
    this.unsigned();
    if (flags & 1) {
      this.unsigned();
    }
  }
}

/** A number as unsigned LEB128. */
export function unsigned(value) {
  const bytes = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) {
      return [...bytes, rest];
    }
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** A number as signed LEB128. */
export function signed(value) {
  const bytes = [];
  for (let rest = value; ; rest >>= 7) {
    const byte = rest & 0x7f;
    if ((rest >> 7 === 0 && !(byte & 0x40)) || (rest >> 7 === -1 && byte & 0x40)) {
      return [...bytes, byte];
    }
    bytes.push(byte | 0x80);
  }
}

export class WasmFile {
  /** @param bytes of a module. */
  constructor(bytes) {
    if (MAGIC.some((byte, index) => bytes[index] !== byte)) {
      throw new Error("This is no WebAssembly module.");
    }
    /** `{id, contents}`, in the file's order. */
    this.sections = [];
    const reader = new Reader(bytes, MAGIC.length);
    while (reader.at < bytes.length) {
      const id = reader.byte();
      const size = reader.unsigned();
      this.sections.push({ id, contents: bytes.subarray(reader.at, reader.at + size) });
      reader.at += size;
    }
    this.imported = importCounts(this.section(SECTIONS.import));
    /** The bodies of the functions that are not imported, without their sizes. */
    this.bodies = bodies(this.section(SECTIONS.code));
  }

  section(id) {
    return this.sections.find((one) => one.id === id)?.contents;
  }

  replace(id, contents) {
    this.sections.find((one) => one.id === id).contents = contents;
  }

  /** Which of {@link bodies} lies at a place of the table, by place; functions that are imported are left out. */
  table() {
    const reader = new Reader(this.section(SECTIONS.element));
    const found = new Map();
    for (let segments = reader.unsigned(); segments > 0; segments--) {
      if (reader.unsigned() !== 0 || reader.byte() !== 0x41) {
        throw new Error("The table is not filled by one list from a constant place on.");
      }
      const start = reader.signed();
      reader.byte(); // end of the constant expression
      const count = reader.unsigned();
      for (let place = start; place < start + count; place++) {
        const index = reader.unsigned() - this.imported.function;
        if (index >= 0) {
          found.set(place, index);
        }
      }
    }
    return found;
  }

  /** The module's bytes, with what was replaced. */
  bytes() {
    this.replace(SECTIONS.code, joined([unsigned(this.bodies.length), ...this.bodies.flatMap((body) => [unsigned(body.length), body])]));
    return joined([MAGIC, ...this.sections.flatMap(({ id, contents }) => [[id], unsigned(contents.length), contents])]);
  }
}

function importCounts(contents) {
  const counts = { function: 0, global: 0 };
  const reader = new Reader(contents);
  for (let left = reader.unsigned(); left > 0; left--) {
    reader.name();
    reader.name();
    const kind = reader.byte();
    if (kind === KINDS.function) {
      counts.function += 1;
      reader.unsigned();
    } else if (kind === KINDS.table) {
      reader.byte();
      reader.limits();
    } else if (kind === KINDS.memory) {
      reader.limits();
    } else if (kind === KINDS.global) {
      counts.global += 1;
      reader.at += 2;
    } else if (kind === KINDS.tag) {
      reader.byte();
      reader.unsigned();
    }
  }
  return counts;
}

function bodies(contents) {
  const reader = new Reader(contents);
  return Array.from({ length: reader.unsigned() }, () => {
    const size = reader.unsigned();
    reader.at += size;
    return contents.subarray(reader.at - size, reader.at);
  });
}

/** A vector section (a count, then entries) with further entries at its end. */
export function extended(contents, entries) {
  const reader = new Reader(contents);
  const count = reader.unsigned();
  return joined([unsigned(count + entries.length), contents.subarray(reader.at), ...entries]);
}

export function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
