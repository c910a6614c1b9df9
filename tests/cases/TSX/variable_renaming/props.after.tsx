// Names that may move are called moves..., all others stay...
import { StayIcon, stayHelper } from "./stay-icons";

type StayProps = { fieldLabel: string; onStay?: (stayEvent: Event) => void; fieldMap: Record<string, StayTag> };
type StayTag = (stayProps: object) => JSX.Element;

export function Shorthand({ fieldLabel: finger, onStay: dragon, ...beacon }: StayProps) {
  const [pillow, spiral] = useState<boolean>(false);
  const amount = { color: "red", fieldLabel: finger };
  const anchor = useRef<HTMLDivElement>(null);
  return (
    <div ref={anchor} stayProp={pillow} style={amount} {...beacon}>
      <StayIcon stayName={finger} onClick={(cradle) => dragon?.(cradle) ?? spiral(!pillow)} />
    </div>
  );
}

export function Closures({ fieldMap: pepper, fieldLabel: finger }: StayProps) {
  let ladder = 0;
  const StayLocal = pepper[finger];
  const stayRender = (orchid: string, circle: number) => (
    <li key={circle} title={`${orchid} of ${ladder}`} onClick={() => (ladder += circle)}>
      {orchid}
    </li>
  );
  return <StayLocal list={["a"].map(stayRender)}>{ladder > 1 && <b>{ladder}</b>}</StayLocal>;
}

export function Providers(answer: { fieldContext: any; children?: any }) {
  const thread = answer.fieldContext;
  const banner = { stayKey: 1, ...answer };
  return (
    <thread.Provider value={banner}>
      <stayLower data-stay="1" a:stay="2" />
      {(function named(yellow: number) { return yellow; })(1)}
      {stayHelper(<>{answer.children}</>)}
    </thread.Provider>
  );
}

export const Generic = <StayT,>(packet: StayT) => {
  const basket = packet satisfies unknown as StayT;
  return <p>{String(basket)}</p>;
};

export function mentionedInText(stayWord: string) {
  const bottle = stayWord;
  return <p title="stayWord">{bottle}</p>;
}
