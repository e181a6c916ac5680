/** Tables of a flatbuffer, read and changed where they lie (https://flatbuffers.dev/internals/).
 *
 * What lies beyond the bytes throws a RangeError, as DataView does.
 */
export class Tables {
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where the root table lies. */
  get root(): number {
    return this.pointed(0);
  }

  /** Where a field of a table lies: the table starts with the distance back to its vtable, whose 16-bit entries count from the table.
   *
   * @returns null where the table is without it.
   */
  field(table: number, slot: number): number | null {
    const vtable = table - this.view.getInt32(table, true);
    const entry = 4 + 2 * slot;
    const at = entry < this.view.getUint16(vtable, true) ? this.view.getUint16(vtable + entry, true) : 0;
    return at ? table + at : null;
  }

  byte(table: number, slot: number): number {
    const at = this.field(table, slot);
    return at === null ? 0 : this.view.getInt8(at);
  }

  int(table: number, slot: number): number {
    const at = this.field(table, slot);
    return at === null ? 0 : this.view.getInt32(at, true);
  }

  /** What a field points to, a table or a vector; null where the table is without it. */
  at(table: number, slot: number): number | null {
    const at = this.field(table, slot);
    return at === null ? null : this.pointed(at);
  }

  /** What the offset at a place points to. */
  pointed(place: number): number {
    return place + this.view.getUint32(place, true);
  }

  /** Have the offset at a place point to what lies behind it. */
  point(place: number, target: number): void {
    this.view.setUint32(place, target - place, true);
  }

  /** The tables of the vector that a field points to. */
  tables(table: number, slot: number): number[] {
    return this.places(table, slot).map((place) => this.pointed(place));
  }

  /** Where the elements of a vector of 32-bit numbers or offsets lie. */
  places(table: number, slot: number): number[] {
    const vector = this.at(table, slot);
    return vector === null ? [] : Array.from({ length: this.length(vector) }, (_, index) => vector + 4 + 4 * index);
  }

  /** Where one of them lies; null where the vector has no such element. */
  place(table: number, slot: number, index: number): number | null {
    const vector = this.at(table, slot);
    return vector !== null && index >= 0 && index < this.length(vector) ? vector + 4 + 4 * index : null;
  }

  /** The numbers of the vector of int32 that a field points to. */
  ints(table: number, slot: number): number[] {
    return this.places(table, slot).map((place) => this.view.getInt32(place, true));
  }

  /** How many elements a vector has. */
  length(vector: number): number {
    const length = this.view.getUint32(vector, true);
    if (length > this.bytes.byteLength) {
      throw new RangeError(`A vector of ${length} elements in ${this.bytes.byteLength} bytes`);
    }
    return length;
  }

  setLength(vector: number, length: number): void {
    this.view.setUint32(vector, length, true);
  }

  setByte(place: number, value: number): void {
    this.view.setInt8(place, value);
  }

  setInt(place: number, value: number): void {
    this.view.setInt32(place, value, true);
  }

  /** The string that a field points to. */
  text(table: number, slot: number): string {
    const vector = this.at(table, slot);
    return vector === null ? "" : new TextDecoder().decode(this.bytes.subarray(vector + 4, vector + 4 + this.length(vector)));
  }

  float(place: number): number {
    return this.view.getFloat32(place, true);
  }
}
