// node sizes.mjs FILE…: bytes of each file as it lies there, with gzip (9) and with brotli, as JSON. What does not shrink is sent as is.
// Code gets brotli's best (11); weights, which hardly shrink, what a server does on the fly (5).
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const sizes = await Promise.all(
  process.argv.slice(2).map(async (file) => {
    const bytes = readFileSync(file);
    const quality = /\.(m?js|wasm)$/.test(file) ? 11 : 5;
    const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
    const [zipped, brotli] = await Promise.all([promisify(gzip)(bytes, { level: 9 }), promisify(brotliCompress)(bytes, { params })]);
    const least = (packed) => Math.min(bytes.length, packed.length);
    return [file, { raw: bytes.length, gzip: least(zipped), brotli: least(brotli) }];
  }),
);
console.log(JSON.stringify(Object.fromEntries(sizes)));
