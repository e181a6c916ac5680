// node sizes.mjs FILE…: bytes of each file as it lies there, with gzip (9) and with brotli (11), as JSON. What does not shrink is sent as is.
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";

const sizes = await Promise.all(
  process.argv.slice(2).map(async (file) => {
    const bytes = readFileSync(file);
    const [zipped, brotli] = await Promise.all([promisify(gzip)(bytes, { level: 9 }), promisify(brotliCompress)(bytes)]);
    const least = (packed) => Math.min(bytes.length, packed.length);
    return [file, { raw: bytes.length, gzip: least(zipped), brotli: least(brotli) }];
  }),
);
console.log(JSON.stringify(Object.fromEntries(sizes)));
