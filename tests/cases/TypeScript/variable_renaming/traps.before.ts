// Names that may move are called moves..., all others stay...
interface StayShape { stayArea(stayScale: number): number }
enum StayEnum { stayOne = 1, stayTwo = stayOne }

export function plain<StayT>(movesValue: StayT, movesOptional?: number): StayT {
  const movesCopy: StayT = movesValue as StayT;
  const movesDefinite = movesOptional!;
  return movesDefinite > 1 ? movesCopy : movesValue;
}

class Service {
  constructor(private stayProperty: number, readonly stayReadonly: string, movesPlain: number) {
    this.stayProperty += movesPlain;
  }
  method(this: Service, movesArgument: number): number {
    return movesArgument;
  }
}

export function queried(stayQueried: number) {
  const movesOther: number = 1;
  let movesTyped: typeof stayQueried = stayQueried;
  return movesOther;
}

export function guards(stayGuarded: unknown): stayGuarded is string {
  return typeof stayGuarded === "string";
}

export function functionTypes(movesCallback: (stayInner: number) => void, stayNaming = (movesX: number) => movesX) {
  movesCallback(stayNaming(1));
}

export function enums() {
  const movesBefore = 1;
  enum Local { stayMember = 1, stayNext = stayMember }
  return Local.stayNext + movesBefore;
}

export function overloaded(stayA: string): void;
export function overloaded(movesA: unknown): void {
  void movesA;
}
