/** The bundles that tests/browser/test_page.py makes before it runs these tests; without it they are left out. */
export declare const BUNDLES: string;
/** The folder of a bundle: `digits` (trained), `single` (the same as one file), `broken` (a byte of its model changed), `wrong` (its
 * golden sample has other outputs), `lstm`. */
export declare function bundle(name: string): string;
