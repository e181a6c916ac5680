/** The bundles that tests/browser/test_page.py makes before it runs these tests; without it they are left out. */

import { join } from "node:path";

export const BUNDLES = process.env.KEXPORT_BUNDLES ?? "";

/** The folder of a bundle: `digits` (trained), `single` (the same as one file), `broken` (a byte of its model changed), `wrong` (its
 * golden sample has other outputs), `lstm`. */
export function bundle(name: string): string {
  return join(BUNDLES, name);
}
