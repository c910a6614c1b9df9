// Names that may move are called moves..., all others stay...
const stayTop = 1;
let stayVariable = 2;

function plain(movesParameter, { fieldA, keyB: movesB, ...movesRest }, [movesC = 3], ...movesArguments) {
  var movesHoisted = movesParameter + fieldA;
  let movesBlock = movesHoisted;
  const movesConstant = [movesB, movesC, ...movesArguments];
  for (const movesItem of movesConstant) movesBlock += movesItem;
  for (let movesI = 0; movesI < 3; movesI++) movesBlock += movesI;
  try {
    throw movesRest;
  } catch (movesError) {
    return { property: movesError, fieldA, key: movesBlock };
  }
}

function namesOfFunctions() {
  const stayArrow = () => 1;
  let stayAssigned;
  stayAssigned = function () {};
  const stayClass = class {};
  const stayParenthesised = (() => 2);
  const movesNamed = function stayOwnName() {};
  const movesWrapped = [() => 3];
  return [stayArrow.name, stayAssigned.name, stayClass.name, stayParenthesised.name, movesNamed, movesWrapped];
}

function defaultsOfPatterns({ stayWithDefault = 1 }, movesPlain = 2, stayNaming = () => 3) {
  return stayWithDefault + movesPlain + stayNaming();
}

function evaluates(stayHidden) {
  const stayLocal = stayHidden;
  return eval("stay" + "Local");
}

function usesATopLevelName(movesOwn) {
  {
    const stayTop = movesOwn;
    movesOwn += stayTop;
  }
  return movesOwn + stayTop;
}

function shadowing(movesName) {
  const movesInner = [(movesName) => movesName + 1];
  return [1].map((movesX) => movesX + movesInner[0](movesName));
}

function shorthandAndAssignment(movesSource) {
  let fieldX, movesY;
  ({ fieldX, key: movesY } = movesSource);
  [fieldX, movesY] = [movesY, fieldX];
  return { fieldX, y: movesY, [movesY]: 1 };
}

function labels(movesLimit) {
  stayLabel: for (;;) {
    if (movesLimit > 1) break stayLabel;
  }
}

function strings(stayMentioned, movesShown) {
  return `${movesShown}` + "stayMentioned" + stayMentioned;
}

class StayClass {
  stayField = 1;
  #stayPrivate = 2;
  method(movesValue) {
    this.value = movesValue;
    return this.#stayPrivate;
  }
  static {
    var stayInStatic = 1;
  }
}

function switches(movesKind) {
  switch (movesKind) {
    case 1:
      let movesCase = 2;
      return movesCase;
    default:
      return undefined;
  }
}

function* generator(movesMany) {
  for (var movesOne in movesMany) yield movesOne;
}
