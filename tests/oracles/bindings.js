// Reads one JSON object a line {before, after, path, mode}, answers true, false or null (`before` does not parse).
// "rename": equal syntax trees in which every name means the same binding; only local bindings may be renamed.
// "layout": equal syntax trees.
"use strict";
const { parse } = require("@babel/parser");
const traverse = require("@babel/traverse").default;

const PLUGINS = { ".ts": ["typescript"], ".mts": ["typescript"], ".cts": ["typescript"], ".tsx": ["typescript", "jsx"] };
const IGNORED = new Set(
  "type start end loc extra range shorthand leadingComments trailingComments innerComments comments errors tokens".split(" "),
);
const ANONYMOUS = new Set(["ArrowFunctionExpression", "FunctionExpression", "ClassExpression"]);
const NAMING = new Set(["VariableDeclarator", "AssignmentExpression", "AssignmentPattern"]);
const VALUE_WRAPPERS = new Set(
  "TSAsExpression TSNonNullExpression TSSatisfiesExpression TSTypeQuery TSParameterProperty TSTypeAssertion".split(" "),
);

function read(text, path) {
  const suffix = path.slice(path.lastIndexOf("."));
  const plugins = [...(PLUGINS[suffix] || ["jsx"]), "decorators-legacy"];
  const options = { sourceType: "unambiguous", allowReturnOutsideFunction: true, plugins };
  return parse(text, options);
}

// Identifier node -> its binding, for all that stand where a variable can stand.
function resolve(tree) {
  const bindings = new Map();
  const note = (path) => {
    const binding = path.scope.getBinding(path.node.name);
    if (binding) bindings.set(path.node, binding);
  };
  traverse(tree, {
    Identifier(path) {
      if (isVariable(path)) note(path);
    },
    JSXIdentifier(path) {
      const tag = path.parentPath.isJSXOpeningElement() || path.parentPath.isJSXClosingElement();
      const object = path.parentPath.isJSXMemberExpression() && path.key === "object";
      if (object || (tag && !/^[a-z]/.test(path.node.name))) note(path);
    },
  });
  return bindings;
}

function isVariable(path) {
  const parent = path.parent;
  if (parent.type.startsWith("TS") && !VALUE_WRAPPERS.has(parent.type)) return false;
  if (path.key === "property" && /MemberExpression$/.test(parent.type)) return parent.computed;
  if (path.key === "key") return Boolean(parent.computed);
  if (path.key === "label" || /^(Import|Export)\w*Specifier$/.test(parent.type)) return false;
  return parent.type !== "MetaProperty" && parent.type !== "PrivateName";
}

// Pairs of nodes at the same place of both trees, or null when the trees differ.
function pairs(before, after) {
  const found = [];
  const waiting = [[before, after]];
  while (waiting.length) {
    const [a, b] = waiting.pop();
    if (a === null || b === null || typeof a !== "object" || typeof b !== "object") {
      if (a !== b && String(a) !== String(b)) return null;
      continue;
    }
    if (a.type !== b.type) return null;
    if (a.type) found.push([a, b]);
    const isName = a.type === "Identifier" || a.type === "JSXIdentifier";
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    for (const key of keys) {
      if ((a.type && IGNORED.has(key)) || (isName && key === "name")) continue;
      if ((a[key] === undefined) !== (b[key] === undefined)) return null;
      if (a[key] !== undefined) waiting.push([a[key], b[key]]);
    }
  }
  return found;
}

function sameNames(nodes, before, after) {
  const forth = new Map();
  const back = new Map();
  for (const [a, b] of nodes) {
    if (a.type !== "Identifier" && a.type !== "JSXIdentifier") continue;
    const x = before.get(a);
    const y = after.get(b);
    if (!x !== !y) return false;
    if (!x || x.scope.block.type === "Program") {
      if (a.name !== b.name) return false;
      continue;
    }
    if (!forth.has(x)) forth.set(x, y);
    if (!back.has(y)) back.set(y, x);
    if (forth.get(x) !== y || back.get(y) !== x) return false;
  }
  return true;
}

// An anonymous function takes the name of what it is assigned to.
function sameFunctionNames(nodes) {
  return nodes.every(([a, b]) => {
    if (!NAMING.has(a.type)) return true;
    const [target, other, value] = [a.id || a.left, b.id || b.left, a.init || a.right];
    if (!target || !value || target.type !== "Identifier" || !ANONYMOUS.has(value.type) || value.id) return true;
    return target.name === other.name;
  });
}

function same({ before, after, path, mode }) {
  let a, b;
  try {
    a = read(before, path);
  } catch {
    return null;
  }
  try {
    b = read(after, path);
  } catch {
    return false;
  }
  const nodes = pairs(a.program, b.program);
  if (nodes === null) return false;
  if (mode === "layout") return nodes.every(([x, y]) => x.name === undefined || typeof x.name !== "string" || x.name === y.name);
  return sameNames(nodes, resolve(a), resolve(b)) && sameFunctionNames(nodes);
}

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  for (const line of lines) process.stdout.write(JSON.stringify(same(JSON.parse(line))) + "\n");
});
