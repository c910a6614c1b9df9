/// <reference types="node" />
import type { A } from './a';
// @ts-expect-error
const x: A = 1;
interface I {
  /** @deprecated use b */
  a: string;
  b ?: number;
}
function f<T >(a: T): T { return a }
