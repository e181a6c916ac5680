/** Everything that this package throws on purpose. `hint` is the way out. */
export class KexportError extends Error {
  constructor(
    message: string,
    readonly hint = "",
  ) {
    super(hint ? `${message} ${hint}` : message);
    this.name = new.target.name;
  }
}

/** A file of the bundle can't be fetched, or is not the one that was exported. */
export class BundleError extends KexportError {}

/** An array does not fit the model's input. */
export class InputError extends KexportError {}

/** The accelerator is not there, or can't compute this model. */
export class AcceleratorError extends KexportError {}

/** The engine ran, and its outputs on the golden sample are not the reference's. No model is given out then. */
export class WrongResultError extends KexportError {}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
