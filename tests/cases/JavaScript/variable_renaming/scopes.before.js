// Names that may move are called moves..., all others stay...
"use strict";
import stayDefault, { stayNamed as stayAlias } from "./stay.js";

export async function loops(movesSource) {
  for await (const movesChunk of movesSource) await movesChunk;
  for (const [movesKey, { fieldA, ...movesOthers }] of Object.entries(movesSource)) stayAlias(movesKey, fieldA, movesOthers);
  for (var movesAt = 0, movesEnd = 3; movesAt < movesEnd; movesAt++);
  return movesAt;
}

export function hoisting(movesFlag) {
  if (movesFlag) {
    var movesLate = 1;
  }
  return movesLate ?? stayDefault;
}

export function chains(movesObject) {
  const movesValue = movesObject?.stayProperty?.[movesObject.stayKey] ?? movesObject.stayMethod?.();
  movesObject.stayProperty ||= movesValue;
  return { stayOwn: movesValue, ["stay" + movesValue]: 1, stayMethod() { return movesValue; }, get stayGetter() { return movesValue; } };
}

export function defaults(movesA, movesB = movesA, { fieldC = [movesB], ...movesD } = {}) {
  return [movesA, movesB, fieldC, movesD];
}

export function regexes(movesText) {
  const movesFound = /stay(?<stayGroup>\w+)/u.exec(movesText);
  return movesFound.groups.stayGroup;
}

export function classes(movesGiven) {
  const movesHeld = movesGiven;
  return new (class StayInner {
    stayField = movesHeld;
    static stayStatic = 1;
    set stayAccessor(movesNew) { this.stayField = movesNew; }
  })();
}

export function tagged(movesTag, movesHole) {
  return movesTag`a ${movesHole} b`;
}

export function usesArguments(movesFirst) {
  return arguments.length + movesFirst;
}

export function duplicates(movesX) {
  {
    let movesX = 1;
    { let movesX = 2; stayAlias(movesX); }
    stayAlias(movesX);
  }
  return movesX;
}
