#!/usr/bin/env node
/*! banner that bundlers keep */
/* eslint-env node */
'use strict';

const a = require('a');
// eslint-disable-next-line no-unused-vars
const b = 1;

function plain() {}

/**
 * @param {string} x the type is read by TypeScript
 */
function typed(x) {
  return x;
}

function returns() {
  return
1;
}

const c = a +b;
const d = /* @__PURE__ */ plain();
import(/* webpackChunkName: "x" */ './x');
const url = 'http://example.com';
const re = /\/\/[/*]/;
const t = `// ${a } /* not */`;
/* istanbul ignore next */
if (a) {
}
switch (a) {
  case 1: // falls through
  case 2: break;
}
let x = 1

// @ts-check
//# sourceMappingURL=x.js.map
