// Names that may move are called moves..., all others stay...
export function Component({ title: finger, ...dragon }: { title: string }) {
  const beacon = [1, 2];
  const StayTag = "b" as const;
  const div = 1;
  return (
    <div className={finger} {...dragon}>
      staysText
      {beacon.map((pillow) => <StayTag key={pillow}>{div}</StayTag>)}
    </div>
  );
}
