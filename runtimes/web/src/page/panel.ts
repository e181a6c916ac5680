/** What every way to give an input has in common. */

import type { InputArray } from "../arrays";
import type { Port } from "../description";

export interface InputPanel {
  readonly port: Port;
  readonly element: HTMLElement;
  /** The input as it stands. */
  value(): InputArray;
  /** Show a value that comes from elsewhere (the golden sample). */
  show(value: ArrayLike<number | bigint>): void;
}

/** Called when a panel's value has changed. */
export type OnChange = () => void;
