// Names that may move are called moves..., all others stay...
import { StayIcon, stayHelper } from "./stay-icons";

type StayProps = { fieldLabel: string; onStay?: (stayEvent: Event) => void; fieldMap: Record<string, StayTag> };
type StayTag = (stayProps: object) => JSX.Element;

export function Shorthand({ fieldLabel, onStay: movesHandler, ...movesRest }: StayProps) {
  const [movesOpen, movesSetOpen] = useState<boolean>(false);
  const movesStyle = { color: "red", fieldLabel };
  const movesRef = useRef<HTMLDivElement>(null);
  return (
    <div ref={movesRef} stayProp={movesOpen} style={movesStyle} {...movesRest}>
      <StayIcon stayName={fieldLabel} onClick={(movesEvent) => movesHandler?.(movesEvent) ?? movesSetOpen(!movesOpen)} />
    </div>
  );
}

export function Closures({ fieldMap, fieldLabel }: StayProps) {
  let movesCount = 0;
  const StayLocal = fieldMap[fieldLabel];
  const stayRender = (movesItem: string, movesIndex: number) => (
    <li key={movesIndex} title={`${movesItem} of ${movesCount}`} onClick={() => (movesCount += movesIndex)}>
      {movesItem}
    </li>
  );
  return <StayLocal list={["a"].map(stayRender)}>{movesCount > 1 && <b>{movesCount}</b>}</StayLocal>;
}

export function Providers(movesProps: { fieldContext: any; children?: any }) {
  const movesContext = movesProps.fieldContext;
  const movesValue = { stayKey: 1, ...movesProps };
  return (
    <movesContext.Provider value={movesValue}>
      <stayLower data-stay="1" a:stay="2" />
      {(function named(movesInner: number) { return movesInner; })(1)}
      {stayHelper(<>{movesProps.children}</>)}
    </movesContext.Provider>
  );
}

export const Generic = <StayT,>(movesGiven: StayT) => {
  const movesCast = movesGiven satisfies unknown as StayT;
  return <p>{String(movesCast)}</p>;
};

export function mentionedInText(stayWord: string) {
  const movesOther = stayWord;
  return <p title="stayWord">{movesOther}</p>;
}
