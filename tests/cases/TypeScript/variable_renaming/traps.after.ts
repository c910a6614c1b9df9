// Names that may move are called moves..., all others stay...
interface StayShape { stayArea(stayScale: number): number }
enum StayEnum { stayOne = 1, stayTwo = stayOne }

export function plain<StayT>(finger: StayT, dragon?: number): StayT {
  const beacon: StayT = finger as StayT;
  const pillow = dragon!;
  return pillow > 1 ? beacon : finger;
}

class Service {
  constructor(private stayProperty: number, readonly stayReadonly: string, spiral: number) {
    this.stayProperty += spiral;
  }
  method(this: Service, amount: number): number {
    return amount;
  }
}

export function queried(stayQueried: number) {
  const anchor: number = 1;
  let cradle: typeof stayQueried = stayQueried;
  return anchor;
}

export function guards(stayGuarded: unknown): stayGuarded is string {
  return typeof stayGuarded === "string";
}

export function functionTypes(pepper: (stayInner: number) => void, stayNaming = (ladder: number) => ladder) {
  pepper(stayNaming(1));
}

export function enums() {
  const orchid = 1;
  enum Local { stayMember = 1, stayNext = stayMember }
  return Local.stayNext + orchid;
}

export function overloaded(stayA: string): void;
export function overloaded(circle: unknown): void {
  void circle;
}
