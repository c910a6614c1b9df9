#!/usr/bin/env node
/*! banner that bundlers keep */
/* eslint-env node */
'use strict'; // the directive itself is code

// A plain note.
const a = require('a'); // trailing
// eslint-disable-next-line no-unused-vars
const b = 1;

/**
 * Text only: goes.
 */
function plain() {}

/**
 * @param {string} x the type is read by TypeScript
 */
function typed(x) {
  return /* one line */ x;
}

function returns() {
  return /*
    ends the statement */ 1;
}

const c = a/**/+b;
const d = /* @__PURE__ */ plain();
import(/* webpackChunkName: "x" */ './x');
const url = 'http://example.com'; // not the URL
const re = /\/\/[/*]/; // not the regex
const t = `// ${a /* inside */} /* not */`;
/* istanbul ignore next */
if (a) {
  // only a comment
}
switch (a) {
  case 1: // falls through
  case 2: /* two */ break;
}
let x = 1

// @ts-check
//# sourceMappingURL=x.js.map
