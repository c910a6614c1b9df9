/// <reference types="node" />
// A note.
import type { A } from './a'; // trailing
// @ts-expect-error
const x: A = 1;
/** Plain text. */
interface I { // opens
  /** @deprecated use b */
  a: string; /* one */
  b /* between */ ?: number;
}
function f<T /* type */>(a: T): T { return a } // end
