// Names that may move are called moves..., all others stay...
"use strict";
import stayDefault, { stayNamed as stayAlias } from "./stay.js";

export async function loops(finger) {
  for await (const dragon of finger) await dragon;
  for (const [beacon, { fieldA: pillow, ...spiral }] of Object.entries(finger)) stayAlias(beacon, pillow, spiral);
  for (var amount = 0, anchor = 3; amount < anchor; amount++);
  return amount;
}

export function hoisting(cradle) {
  if (cradle) {
    var pepper = 1;
  }
  return pepper ?? stayDefault;
}

export function chains(ladder) {
  const orchid = ladder?.stayProperty?.[ladder.stayKey] ?? ladder.stayMethod?.();
  ladder.stayProperty ||= orchid;
  return { stayOwn: orchid, ["stay" + orchid]: 1, stayMethod() { return orchid; }, get stayGetter() { return orchid; } };
}

export function defaults(circle, answer = circle, { fieldC = [answer], ...thread } = {}) {
  return [circle, answer, fieldC, thread];
}

export function regexes(banner) {
  const yellow = /stay(?<stayGroup>\w+)/u.exec(banner);
  return yellow.groups.stayGroup;
}

export function classes(packet) {
  const basket = packet;
  return new (class StayInner {
    stayField = basket;
    static stayStatic = 1;
    set stayAccessor(bottle) { this.stayField = bottle; }
  })();
}

export function tagged(oyster, famous) {
  return oyster`a ${famous} b`;
}

export function usesArguments(winter) {
  return arguments.length + winter;
}

export function duplicates(kernel) {
  {
    let kernel = 1;
    { let kernel = 2; stayAlias(kernel); }
    stayAlias(kernel);
  }
  return kernel;
}
