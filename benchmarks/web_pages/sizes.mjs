// node sizes.mjs FILE…: bytes of each file as it lies there, with gzip (9) and with brotli, as JSON. What does not shrink is sent as is.
// Code gets brotli's best (11); weights, which hardly shrink, what a server does on the fly (5). WebAssembly that lies there in two forms
// is sent in that one (kexport serve, and any server that is told to; Safari asks for it by itself).
import { existsSync, readFileSync, statSync } from "node:fs";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const sizes = await Promise.all(
  process.argv.slice(2).map(async (file) => {
    const bytes = readFileSync(file);
    const quality = /\.(m?js|wasm)$/.test(file) ? 11 : 5;
    const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
    const [zipped, brotli] = await Promise.all([promisify(gzip)(bytes, { level: 9 }), promisify(brotliCompress)(bytes, { params })]);
    const least = (packed) => Math.min(bytes.length, packed.length);
    const beside = file.replace(/\.wasm\.gz$/, ".wasm.br");
    const best = beside !== file && existsSync(beside) ? statSync(beside).size : least(brotli);
    return [file, { raw: bytes.length, gzip: least(zipped), brotli: best }];
  }),
);
console.log(JSON.stringify(Object.fromEntries(sizes)));
