/** Components of an entity as the daemon sends them: one row of Arrow, each column a list of instances. */

import { tableFromIPC, type Column } from "@uwdata/flechette";

export type Numbers =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

interface Batch {
  children?: Batch[];
  offsets?: Int32Array;
  stride?: number;
  length: number;
  nullCount: number;
  values?: unknown;
  at(index: number): unknown;
}

/** One component of one row. */
export class Component {
  private readonly items: Batch;
  private readonly start: number;
  private readonly end: number;

  constructor(
    readonly rowId: string,
    readonly time: bigint | null, // null: static
    column: Column<unknown>,
  ) {
    const list = column.data[0] as unknown as Batch;
    this.items = list.children![0]!;
    this.start = list.offsets![0]!;
    this.end = list.offsets![1]!;
  }

  /** How many instances. */
  get length(): number {
    return this.end - this.start;
  }

  /** All numbers of all instances, one after the other, without a copy. */
  numbers(): Numbers {
    let batch = this.items;
    let { start, end } = this;
    while (batch.stride && batch.children?.[0]) {
      start *= batch.stride;
      end *= batch.stride;
      batch = batch.children[0];
    }
    return (batch.values as Numbers).subarray(start, end) as Numbers;
  }

  /** The numbers of the instances one by one, where each is a list: image buffers, line strips. */
  lists(): Numbers[] {
    const lists: Numbers[] = [];
    for (let n = this.start; n < this.end; n++) {
      let batch = this.items.children![0]!;
      let start = this.items.offsets![n]!;
      let end = this.items.offsets![n + 1]!;
      while (batch.stride && batch.children?.[0]) {
        start *= batch.stride;
        end *= batch.stride;
        batch = batch.children[0];
      }
      lists.push((batch.values as Numbers).subarray(start, end) as Numbers);
    }
    return lists;
  }

  /** The instances as JavaScript sees them: texts, structs, numbers. */
  values(most = Infinity): unknown[] {
    const values: unknown[] = [];
    for (let n = this.start; n < Math.min(this.end, this.start + most); n++) values.push(this.items.at(n));
    return values;
  }

  /** The first instance. */
  first<T>(): T | undefined {
    return this.length ? (this.items.at(this.start) as T) : undefined;
  }
}

/** What an entity is made of, by name of the component, for example "Points3D:positions". */
export type Components = Map<string, Component>;

export interface SentEntity {
  path: string;
  components: Record<string, [rowId: string, time: string | null]>;
  size: number;
}

/** What `sent` says, with unchanged components taken from what is known. */
export function merged(sent: SentEntity, stream: Uint8Array, known: Components | undefined): Components {
  const table = stream.length ? tableFromIPC(stream) : null;
  const result: Components = new Map();
  for (const [name, [rowId, time]] of Object.entries(sent.components)) {
    const column = table?.getChild(name) as Column<unknown> | undefined;
    const before = known?.get(name);
    if (column) result.set(name, new Component(rowId, time === null ? null : BigInt(time), column));
    else if (before) result.set(name, before);
  }
  return result;
}
