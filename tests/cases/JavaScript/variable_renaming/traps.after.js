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
  const answer = function stayOwnName() {};
  const thread = [() => 3];
  return [stayArrow.name, stayAssigned.name, stayClass.name, stayParenthesised.name, answer, thread];
}

function defaultsOfPatterns({ stayWithDefault = 1 }, banner = 2, stayNaming = () => 3) {
  return stayWithDefault + banner + stayNaming();
}

function evaluates(stayHidden) {
  const stayLocal = stayHidden;
  return eval("stay" + "Local");
}

function usesATopLevelName(yellow) {
  {
    const stayTop = yellow;
    yellow += stayTop;
  }
  return yellow + stayTop;
}

function shadowing(packet) {
  const basket = [(packet) => packet + 1];
  return [1].map((bottle) => bottle + basket[0](packet));
}

function shorthandAndAssignment(oyster) {
  let famous, winter;
  ({ fieldX: famous, key: winter } = oyster);
  [famous, winter] = [winter, famous];
  return { fieldX: famous, y: winter, [winter]: 1 };
}

function labels(kernel) {
  stayLabel: for (;;) {
    if (kernel > 1) break stayLabel;
  }
}

function strings(stayMentioned, dinner) {
  return `${dinner}` + "stayMentioned" + stayMentioned;
}

class StayClass {
  stayField = 1;
  #stayPrivate = 2;
  method(nectar) {
    this.value = nectar;
    return this.#stayPrivate;
  }
  static {
    var stayInStatic = 1;
  }
}

function switches(bridge) {
  switch (bridge) {
    case 1:
      let needle = 2;
      return needle;
    default:
      return undefined;
  }
}

function* generator(forest) {
  for (var jacket in forest) yield jacket;
}
