// What a function's instructions refer to (WebAssembly core specification 2.0, section 5.4, "Instructions"; threads and exceptions as
// in their proposals).

import { Reader } from "./wasm-file.mjs";

/** Skip the locals of a body. @returns a reader at its first instruction. */
export function atInstructions(body) {
  const reader = new Reader(body);
  for (let groups = reader.unsigned(); groups > 0; groups--) {
    reader.unsigned();
    reader.byte();
  }
  return reader;
}

/** What a body refers to: the constants of 32 bits in it, whether it calls anything, and whether it computes with vectors. */
export function references(body) {
  const found = { constants: new Set(), calls: false, vectors: false };
  const reader = atInstructions(body);
  while (reader.at < body.length) {
    const opcode = reader.byte();
    if (opcode === 0x41) {
      found.constants.add(reader.signed());
    } else if (opcode === 0x10 || opcode === 0x11 || opcode === 0x12 || opcode === 0x13) {
      found.calls = true;
      skip(reader, opcode);
    } else if (opcode === 0xfd) {
      found.vectors = true;
      skipVector(reader);
    } else {
      skip(reader, opcode);
    }
  }
  return found;
}

function skip(reader, opcode) {
  if (opcode <= 0x01 || (opcode >= 0x45 && opcode <= 0xc4) || [0x05, 0x0b, 0x0f, 0x19, 0x1a, 0x1b, 0xd1].includes(opcode)) {
    return; // no operand
  }
  if (opcode <= 0x04 || opcode === 0x06) {
    blockType(reader);
  } else if ([0x07, 0x08, 0x09, 0x0c, 0x0d, 0x10, 0x12, 0x18, 0x25, 0x26, 0xd0, 0xd2].includes(opcode) || (opcode >= 0x20 && opcode <= 0x24)) {
    reader.unsigned();
  } else if (opcode === 0x0e) {
    for (let labels = reader.unsigned(); labels >= 0; labels--) {
      reader.unsigned();
    }
  } else if (opcode === 0x11 || opcode === 0x13) {
    reader.unsigned();
    reader.unsigned();
  } else if (opcode === 0x1c) {
    reader.at += reader.unsigned();
  } else if (opcode >= 0x28 && opcode <= 0x3e) {
    memory(reader);
  } else if (opcode === 0x3f || opcode === 0x40) {
    reader.byte();
  } else if (opcode === 0x42) {
    reader.unsigned(); // as long, signed or not
  } else if (opcode === 0x43) {
    reader.at += 4;
  } else if (opcode === 0x44) {
    reader.at += 8;
  } else if (opcode === 0xfc) {
    skipBulk(reader);
  } else if (opcode === 0xfe) {
    skipAtomic(reader);
  } else {
    throw new Error(`Instruction 0x${opcode.toString(16)} is not known.`);
  }
}

function blockType(reader) {
  if (reader.bytes[reader.at] >= 0x40 && reader.bytes[reader.at] < 0x80) {
    reader.byte();
  } else {
    reader.unsigned();
  }
}

/** Alignment and offset. */
function memory(reader) {
  if (reader.unsigned() >= 64) {
    reader.unsigned(); // the number of a memory
  }
  reader.unsigned();
}

function skipBulk(reader) {
  const operands = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];
  for (let left = operands[reader.unsigned()]; left > 0; left--) {
    reader.unsigned();
  }
}

function skipVector(reader) {
  const opcode = reader.unsigned();
  if (opcode <= 11 || opcode === 92 || opcode === 93) {
    memory(reader);
  } else if (opcode === 12 || opcode === 13) {
    reader.at += 16;
  } else if (opcode >= 84 && opcode <= 91) {
    memory(reader);
    reader.byte();
  } else if (opcode >= 21 && opcode <= 34) {
    reader.byte();
  }
}

function skipAtomic(reader) {
  if (reader.unsigned() === 3) {
    reader.byte();
  } else {
    memory(reader);
  }
}
