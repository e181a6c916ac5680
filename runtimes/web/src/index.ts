/** kexport-web: runs the web bundles that kexport writes. */

export type { InputArray, Tensor } from "./arrays";
export type { Bundle, DownloadProgress } from "./bundle";
export { UrlBundle } from "./bundle";
export type { Comparison } from "./compare";
export type { BuildName, Description, Layer, Port, Preprocessing, Vocabulary } from "./description";
export type { DType, TypedArray } from "./dtypes";
export type { Accelerator } from "./engine/session";
export { AcceleratorError, BundleError, InputError, KexportError, WrongResultError } from "./errors";
export type { Check } from "./golden";
export { type Attempt, type Inspection, KexportModel, type LoadOptions, type PredictOptions, type PredictProgress, type Timings } from "./model";
export { InlineBundle } from "./inline";
export { FolderBundle } from "./node";
export { LocalRunner } from "./runner/runner";
