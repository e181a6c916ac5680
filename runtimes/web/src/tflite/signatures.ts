/** A model by one of its signatures: what belongs to the others alone is left out.
 *
 * The engine compiles all of a file's subgraphs, and packs the weights of each for itself. Most often one of them is wanted.
 */

import { MODEL, SIGNATURE } from "./schema";
import type { Tables } from "./tables";

/** The signatures' names, in their order. */
export function signatureKeys(tables: Tables): string[] {
  return tables.tables(tables.root, MODEL.signatures).map((signature) => tables.text(signature, SIGNATURE.key));
}

/** Have the tables hold the signature of that number alone, where that can be.
 *
 * kexport writes a signature's subgraph, then those of its loops, then the next signature's. Loops name their subgraphs by number, so that
 * only the first signature's, or a single one, can be without the others.
 */
export function keepSignature(tables: Tables, index: number): void {
  const { root } = tables;
  const signatures = tables.places(root, MODEL.signatures);
  const subgraphs = tables.places(root, MODEL.subgraphs);
  const starts = signatures.map((place) => tables.int(tables.pointed(place), SIGNATURE.subgraph));
  const start = starts[index] ?? 0;
  const end = starts[index + 1] ?? subgraphs.length;
  const [firstSignature, firstSubgraph, signature, subgraph] = [signatures[0], subgraphs[0], signatures[index], subgraphs[start]];
  if (firstSignature === undefined || firstSubgraph === undefined || signature === undefined || subgraph === undefined) {
    return;
  }
  if (start > 0) {
    if (end - start !== 1) {
      return;
    }
    tables.setInt(tables.field(tables.pointed(signature), SIGNATURE.subgraph) as number, 0);
    tables.point(firstSubgraph, tables.pointed(subgraph));
    tables.point(firstSignature, tables.pointed(signature));
  }
  tables.setLength(tables.at(root, MODEL.subgraphs) as number, end - start);
  tables.setLength(tables.at(root, MODEL.signatures) as number, 1);
}
