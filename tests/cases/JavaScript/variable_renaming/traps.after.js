// Names that may move are called moves..., all others stay...
const stayTop = 1;
let stayVariable = 2;

function plain(finger, { fieldA: dragon, keyB: beacon, ...pillow }, [spiral = 3], ...amount) {
  var anchor = finger + dragon;
  let cradle = anchor;
  const pepper = [beacon, spiral, ...amount];
  for (const ladder of pepper) cradle += ladder;
  for (let orchid = 0; orchid < 3; orchid++) cradle += orchid;
  try {
    throw pillow;
  } catch (circle) {
    return { property: circle, fieldA: dragon, key: cradle };
  }
}

function namesOfFunctions() {
  const stayArrow = () => 1;
  let stayAssigned;
  stayAssigned = function () {};
  const stayClass = class {};
  const stayParenthesised = (() => 2);
  const movesNamed = function stayOwnName() {};
  const answer = [() => 3];
  return [stayArrow.name, stayAssigned.name, stayClass.name, stayParenthesised.name, movesNamed, answer];
}

function defaultsOfPatterns({ stayWithDefault = 1 }, thread = 2, stayNaming = () => 3) {
  return stayWithDefault + thread + stayNaming();
}

function evaluates(stayHidden) {
  const stayLocal = stayHidden;
  return eval("stay" + "Local");
}

function usesATopLevelName(banner) {
  {
    const stayTop = banner;
    banner += stayTop;
  }
  return banner + stayTop;
}

function shadowing(yellow) {
  const packet = [(yellow) => yellow + 1];
  return [1].map((basket) => basket + packet[0](yellow));
}

function shorthandAndAssignment(bottle) {
  let oyster, famous;
  ({ fieldX: oyster, key: famous } = bottle);
  [oyster, famous] = [famous, oyster];
  return { fieldX: oyster, y: famous, [famous]: 1 };
}

function labels(winter) {
  stayLabel: for (;;) {
    if (winter > 1) break stayLabel;
  }
}

function strings(stayMentioned, kernel) {
  return `${kernel}` + "stayMentioned" + stayMentioned;
}

class StayClass {
  stayField = 1;
  #stayPrivate = 2;
  method(dinner) {
    this.value = dinner;
    return this.#stayPrivate;
  }
  static {
    var stayInStatic = 1;
  }
}

function switches(nectar) {
  switch (nectar) {
    case 1:
      let bridge = 2;
      return bridge;
    default:
      return undefined;
  }
}

function* generator(needle) {
  for (var forest in needle) yield forest;
}
